import { describe, expect, it } from "vitest";
import { findConversations, findPeople, inOrder, matches, reachable } from "../src/conversations/order";
import { previewOf } from "../src/conversations/preview";
import i18next from "i18next";
import { id, ME, MemoryDevice, PEOPLE } from "./fixture";

const view = new MemoryDevice({ nowMs: new Date(2026, 10, 25, 12).getTime() }).view();
const titles = (list: { id: string }[]) => list.map((one) => one.id);

describe("list ordering", () => {
  it("has the newest first and what was left last", () => {
    const ordered = inOrder(view.conversations.toReversed());
    expect(titles(ordered).slice(0, 3)).toEqual([id("boris"), id("station1"), id("reanimation")]);
    expect(ordered.at(-1)?.id).toBe(id("umzug"));
    const leftJustNow = view.conversations.map((one) => (one.id === id("boris") ? { ...one, membership: "left" as const } : one));
    expect(titles(inOrder(leftJustNow)).slice(-2)).toEqual([id("boris"), id("umzug")]);
  });

  it("takes a conversation up at once when something new is in it", () => {
    const device = new MemoryDevice();
    device.deliver(id("emil"), PEOPLE.emil, "Bin da.");
    expect(inOrder(device.view().conversations)[0]?.id).toBe(id("emil"));
  });

  it("finds by the beginnings of words, without accents, by name and by ward", () => {
    expect(matches("mei ann", "Dr. Anna Meier")).toBe(true);
    expect(matches("eier", "Dr. Anna Meier")).toBe(false);
    expect(matches("arztin", "Oberärztin, Station 1")).toBe(false);
    expect(matches("oberarz", "Oberärztin, Station 1")).toBe(true);
    expect(titles(findConversations(view.conversations, "station", ME, view.accounts))).toContain(id("deniz"));
  });

  it("puts who is called so before who works there", () => {
    const found = titles(findConversations(inOrder(view.conversations), "station", ME, view.accounts));
    expect(found.slice(0, 2)).toEqual([id("station1"), id("umzug")]);
    expect(found).toContain(id("boris"));
  });

  it("offers neither oneself, nor the archive, nor who is gone, and ignores titles in the alphabet", () => {
    const offered = reachable(view.accounts, ME);
    expect(offered.map((one) => one.id)).not.toContain(ME);
    expect(offered.map((one) => one.level)).not.toContain("archive");
    expect(offered.some((one) => one.deleted)).toBe(false);
    expect(offered.map((one) => one.name)[0]).toBe("Boris Weber");
    expect(findPeople(offered, "anästh").map((one) => one.name)).toEqual(["Emil Brandt"]);
  });
});

describe("previews", () => {
  const of = (name: string) => previewOf(view.conversations.find((one) => one.id === id(name))!, ME, view.accounts, i18next.t);

  it("names the sender in groups only", () => {
    expect(of("reanimation")).toEqual({ sender: "Emil", text: "Sehr gut 🙏", missedCall: false, icon: null });
    expect(of("carla").sender).toBeNull();
  });

  it("marks a missed call", () => {
    expect(of("deniz")).toEqual({ sender: null, text: "Verpasster Anruf", missedCall: true, icon: null });
  });
});
