// What is plotted of a broadcast's totals.
import { describe, expect, it } from "vitest";
import type { BroadcastReport } from "../src/device/contract";
import { bits, LOOKS_MAX, type Look, percent, plotted, ridsOf, withLook } from "../src/broadcasts/report";

const layer = (rid: string, packets = 0, packetsLost = 0) => ({ rid, bitrateBps: 150_000, packets, packetsLost, viewers: 2 });

function look(second: number, part: Partial<BroadcastReport> = {}): Look {
  const report = { layers: [], viewers: 0, viewersWithoutVideo: 0, keyFramesAsked: 0, keyFramesRequested: 0, packetsForwarded: 0, packetsDropped: 0, outgoingBps: 0, meanLossPermille: 0, worstLossPermille: 0, ...part };
  return { atMs: second * 1000, report };
}

describe("the figures of a broadcast", () => {
  it("are kept for two minutes", () => {
    let looks: Look[] = [];
    for (let second = 0; second < 200; second += 1) looks = withLook(looks, look(second));
    expect(looks).toHaveLength(LOOKS_MAX);
    const { seconds } = plotted(looks);
    expect([seconds[0], seconds.at(-1)]).toEqual([-120, 0]);
  });

  it("have gaps where a layer was not sent", () => {
    const looks = [look(0, { layers: [layer("l"), layer("h")] }), look(1, { layers: [layer("l")] })];
    expect(ridsOf(looks)).toEqual(["l", "h"]);
    expect(plotted(looks).kbps).toEqual([[150, 150], [150, null]]);
    expect(plotted(looks).viewers).toEqual([[2, 2], [2, null]]);
  });

  it("are shares of what came since the look before", () => {
    const looks = [look(0, { layers: [layer("l", 1000, 500)] }), look(1, { layers: [layer("l", 1090, 510)] }), look(2, { layers: [layer("l", 1090, 510)] })];
    expect(plotted(looks).uplinkLoss).toEqual([null, 10, 0]);
  });

  it("are no losses when the node counts anew", () => {
    const looks = [look(0, { layers: [layer("l", 1000, 500)] }), look(1, { layers: [layer("l", 10, 0)] })];
    expect(plotted(looks).uplinkLoss).toEqual([null, 0]);
  });

  it("are rates over five seconds", () => {
    const looks = [0, 1, 2, 3, 4, 5, 6].map((second) => look(second, { keyFramesAsked: second < 3 ? 0 : 10 }));
    expect(plotted(looks).asked).toEqual([null, 0, 0, 10 / 3, 10 / 4, 2, 2]);
  });

  it("are said in the reader's way", () => {
    expect([bits(940_000, "en"), bits(1_830_000, "en"), bits(0, "en")]).toEqual(["940 kbit/s", "1.8 Mbit/s", "0 kbit/s"]);
    expect([percent(0, "en"), percent(2.6, "en"), percent(31.2, "en")]).toEqual(["0 %", "2.6 %", "31 %"]);
  });
});
