// What a node would say of a broadcast in three layers, look after look: a minute in, more people come, and some of them have a weak line.
import type { BroadcastReport } from "../../src/device/contract";

/** Gives one report after the other, a second apart. */
export function reports(): () => BroadcastReport {
  let second = 0;
  const totals = { packets: [0, 0, 0], lost: [0, 0, 0], asked: 0, requested: 0, forwarded: 0, dropped: 0 };
  const wave = (period: number, shift = 0) => Math.sin((2 * Math.PI * second) / period + shift);
  return () => {
    second += 1;
    const joined = Math.round(143 / (1 + Math.exp(-(second - 40) / 12)));
    const weak = Math.round(joined * (0.06 + 0.03 * wave(50)));
    const medium = Math.round(joined * (0.22 + 0.05 * wave(37, 1)));
    const without = Math.min(2, weak);
    const viewers = [weak - without, medium, joined - weak - medium];
    const kbps = [142 + 6 * wave(9), 470 + 24 * wave(13), 1_390 + 90 * wave(17) - (second > 78 && second < 88 ? 520 : 0)];
    kbps.forEach((rate, at) => {
      totals.packets[at] = (totals.packets[at] ?? 0) + Math.round(rate / 9);
      if (second > 76 && second < 86) totals.lost[at] = (totals.lost[at] ?? 0) + Math.round(rate / 260);
    });
    const asked = Math.max(0, Math.round(joined / 60 + 3 * Math.max(0, wave(21))));
    totals.asked += asked;
    totals.requested += asked > 0 && second % 3 !== 0 ? 1 : 0;
    totals.forwarded += joined * 150;
    totals.dropped += weak;
    return {
      layers: ["l", "m", "h"].map((rid, at) => ({ rid, bitrateBps: Math.round((kbps[at] ?? 0) * 1000), packets: totals.packets[at] ?? 0, packetsLost: totals.lost[at] ?? 0, viewers: viewers[at] ?? 0 })),
      viewers: joined,
      viewersWithoutVideo: without,
      keyFramesAsked: totals.asked,
      keyFramesRequested: totals.requested,
      packetsForwarded: totals.forwarded,
      packetsDropped: totals.dropped,
      outgoingBps: Math.round(1000 * viewers.reduce((sum, count, at) => sum + count * (kbps[at] ?? 0), 0)),
      meanLossPermille: Math.max(0, Math.round(6 + 4 * wave(31))),
      worstLossPermille: Math.max(0, Math.round(48 + 30 * wave(19))),
    };
  };
}
