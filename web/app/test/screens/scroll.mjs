// What only a real browser can tell of the timeline: it opens at its end, stays where one reads, follows when one is at the end, and is smooth with
// 50,000 messages. Fails when it does not.
import assert from "node:assert/strict";
import { run, start } from "./checks.mjs";

/** Frames of the plain page that are measured. */
const PLAIN_FRAMES = 270;

/** How many times the plain page's work a frame may take; 2.6 were measured. */
const PLAIN_TIMES_MAX = 3.6;

/** What a frame may take beyond the plain page's, in the median; 0.1 to 0.8 were measured, and 3.5 to 5.5 when every row was counted with each frame. */
const LATER_MS_MAX = 2.5;

const begun = await start();
const { address, browser } = begun;

async function open(scene, viewport = { width: 1280, height: 800 }, reducedMotion = "no-preference") {
  const page = await browser.newPage({ viewport, reducedMotion });
  await page.goto(`${address}/?scene=${scene}&language=de`);
  await page.waitForSelector("[data-index]");
  await settled(page);
  return page;
}

/** Until the timeline has not moved for some frames; bounded by the page's own time-out. */
function settled(page) {
  return page.evaluate(async () => {
    const box = document.querySelector('[role="log"]');
    let still = 0;
    let last = "";
    for (let frame = 0; frame < 600 && still < 12; frame += 1) {
      await new Promise(requestAnimationFrame);
      const now = `${box.scrollTop} ${box.scrollHeight}`;
      still = now === last ? still + 1 : 0;
      last = now;
    }
  });
}

const gap = (page) => page.evaluate(() => { const box = document.querySelector('[role="log"]'); return box.scrollHeight - box.clientHeight - box.scrollTop; });
/** Where the first message that is wholly in view stands. */
const anchor = (page) =>
  page.evaluate(() => {
    const box = document.querySelector('[role="log"]').getBoundingClientRect();
    const row = [...document.querySelectorAll('[data-row-kind="message"]')].map((one) => ({ text: one.textContent, top: one.getBoundingClientRect().top - box.top })).filter((one) => one.top >= 0).sort((a, b) => a.top - b.top)[0];
    return row;
  });
const topOf = (page, text) =>
  page.evaluate((wanted) => {
    const box = document.querySelector('[role="log"]').getBoundingClientRect();
    const row = [...document.querySelectorAll('[data-row-kind="message"]')].find((one) => one.textContent === wanted);
    return row ? row.getBoundingClientRect().top - box.top : null;
  }, text);

/** Milliseconds of the page's own thread so far: what else the machine does is not the page's fault. */
async function thread(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  return async () => (await session.send("Performance.getMetrics")).metrics.find((one) => one.name === "TaskDuration").value * 1000;
}

/** What a frame costs on this machine when a page without any framework moves as many rows and writes a few of them anew, and how far its frames are apart: machines differ by half and more. */
async function plainFrame() {
  const page = await browser.newPage();
  const worked = await thread(page);
  await page.evaluate(() => {
    for (let row = 0; row < 32; row += 1) {
      const bubble = document.createElement("div");
      bubble.style.cssText = "position:absolute;left:0;right:0;padding:8px;border-radius:16px;background:#cfe6e2";
      document.body.append(bubble);
    }
  });
  const before = await worked();
  const apart = await page.evaluate(async (frames) => {
    const words = "Bett 4 ist frei, der Patient ist stabil seit Mitternacht. ";
    const rows = [...document.body.children];
    const times = [];
    let last = performance.now();
    for (let frame = 0; frame < frames; frame += 1) {
      rows.forEach((row, at) => {
        row.style.transform = `translateY(${at * 64 - (frame % 64)}px)`;
        if ((at + frame) % 4 === 0) row.textContent = `${frame} ${words.repeat(1 + ((at + frame) % 5))}`;
      });
      void document.body.offsetHeight;
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      times.push(now - last);
      last = now;
    }
    return times.sort((a, b) => a - b);
  }, PLAIN_FRAMES);
  const workMs = ((await worked()) - before) / PLAIN_FRAMES;
  await page.close();
  return { workMs, apartMs: apart[Math.floor(apart.length / 2)] };
}

const CHECKS = {
  async "opens at its end, in every size"() {
    for (const scene of ["direct", "failed", "group", "channel", "long"]) {
      for (const viewport of [{ width: 1280, height: 800 }, { width: 390, height: 844 }, { width: 1600, height: 420 }]) {
        for (const motion of ["no-preference", "reduce"]) {
          const page = await open(scene, viewport, motion);
          assert.ok((await gap(page)) <= 1, `${scene} at ${viewport.width}, motion ${motion}: ${await gap(page)} px from the end`);
          await page.close();
        }
      }
    }
  },
  async "opens at the line of the new ones"() {
    const page = await open("unread", { width: 1280, height: 420 });
    const top = await page.evaluate(() => document.querySelector('[data-row-kind="new"]').getBoundingClientRect().top - document.querySelector('[role="log"]').getBoundingClientRect().top);
    assert.ok(top >= 0 && top < 300, `the line stands at ${top} px`);
    await page.close();
  },
  async "moves by what one scrolls and by no pixel more, also while older pages come in above"() {
    const page = await open("long");
    const pages = () => page.evaluate(() => window.device.asked.filter((one) => one.command === "history").length);
    const first = await pages();
    // A page of 120 messages is about 10,000 px: three of them come within this many steps, or something is wrong.
    for (let step = 0; step < 120 && (await pages()) < first + 3; step += 1) {
      const before = await anchor(page);
      await page.evaluate(() => (document.querySelector('[role="log"]').scrollTop -= 400));
      await settled(page);
      const after = await topOf(page, before.text);
      assert.ok(after !== null && Math.abs(after - before.top - 400) <= 2, `step ${step}: ${before.text.slice(0, 16)} went from ${before.top} to ${after}`);
    }
    assert.ok((await pages()) >= first + 3, "no older pages came in");
    await page.close();
  },
  async "keeps its place when something arrives while one reads above, and follows at the end"() {
    const page = await open("long");
    await page.evaluate(() => (document.querySelector('[role="log"]').scrollTop -= 3000));
    await settled(page);
    const before = await anchor(page);
    await page.evaluate(() => window.device.deliver(window.id("station1"), window.people.boris, "Neu 1"));
    await settled(page);
    assert.ok(Math.abs((await topOf(page, before.text)) - before.top) <= 1, "what one reads has moved");
    const jump = page.getByRole("button", { name: /Zur neuesten Nachricht/ });
    await jump.waitFor();
    await jump.click();
    await settled(page);
    assert.ok((await gap(page)) <= 1, `the jump ends ${await gap(page)} px above`);
    await page.evaluate(() => window.device.deliver(window.id("station1"), window.people.boris, `Neu 2 ${"lang ".repeat(80)}`));
    await settled(page);
    assert.ok((await gap(page)) <= 1, `it does not follow: ${await gap(page)} px`);
    await page.close();
  },
  async "shows at once what one sends"() {
    const page = await open("long");
    await page.evaluate(() => (document.querySelector('[role="log"]').scrollTop -= 3000));
    await settled(page);
    await page.getByRole("textbox", { name: /Nachricht an/ }).fill("Von mir");
    await page.keyboard.press("Enter");
    await settled(page);
    assert.ok((await gap(page)) <= 1, `${await gap(page)} px from the end`);
    assert.ok(await page.getByText("Von mir").first().isVisible());
    await page.close();
  },
  async "is smooth with 50,000 messages"() {
    const page = await open("long");
    // All of them, as somebody has who scrolls for very long.
    const loaded = await page.evaluate(async () => {
      const box = document.querySelector('[role="log"]');
      let still = 0;
      while (still < 60) {
        const before = box.scrollHeight;
        box.scrollTop = 0;
        await new Promise(requestAnimationFrame);
        still = box.scrollHeight === before ? still + 1 : 0;
      }
      return box.scrollHeight;
    });
    assert.ok(loaded > 1_500_000, `only ${loaded} px of history`);
    const plain = await plainFrame();
    const worked = await thread(page);
    const before = await worked();
    const { frames, rows, receiveMs } = await page.evaluate(async () => {
      const box = document.querySelector('[role="log"]');
      box.scrollTop = box.scrollHeight / 2;
      for (let frame = 0; frame < 30; frame += 1) await new Promise(requestAnimationFrame);
      const times = [];
      let last = performance.now();
      for (let frame = 0; frame < 240; frame += 1) {
        box.scrollTop -= 60;
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        times.push(now - last);
        last = now;
      }
      const start = performance.now();
      window.device.deliver(window.id("station1"), window.people.boris, "Neu");
      await new Promise(requestAnimationFrame);
      return { frames: times.sort((a, b) => a - b), rows: document.querySelectorAll("[data-index]").length, receiveMs: performance.now() - start };
    });
    const at = (share) => frames[Math.floor(frames.length * share)].toFixed(1);
    console.log(`    frames: median ${at(0.5)} ms (plain page ${plain.apartMs.toFixed(1)} ms), 95 % ${at(0.95)} ms, worst ${at(0.999)} ms; ${rows} rows in the document; a message drawn in ${receiveMs.toFixed(0)} ms`);
    const perFrameMs = ((await worked()) - before) / 270;
    console.log(`    work of the page's thread: ${perFrameMs.toFixed(1)} ms a frame, ${(perFrameMs / plain.workMs).toFixed(2)} times the ${plain.workMs.toFixed(1)} ms of the plain page`);
    assert.ok(rows < 80, `${rows} rows in the document`);
    assert.ok(perFrameMs < PLAIN_TIMES_MAX * plain.workMs, "too much work for 60 frames a second");
    assert.ok(Number(at(0.5)) < plain.apartMs + LATER_MS_MAX, "frames are left out");
    await page.close();
  },
};

await run(CHECKS, begun);
