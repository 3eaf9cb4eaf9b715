// From the node's totals to what is plotted: rates and shares between two looks. Pure.
import type { BroadcastLayer, BroadcastReport } from "../device/contract";

export interface Look {
  atMs: number;
  report: BroadcastReport;
}

/** Looks kept: at one a second, two minutes. */
export const LOOKS_MAX = 121;

/** What is rare is counted over so many looks: one more or less would be all that is seen. */
const RATE_LOOKS = 5;

export function withLook(looks: readonly Look[], look: Look): Look[] {
  return [...looks, look].slice(-LOOKS_MAX);
}

/** The layers there have been, the smallest first. */
export function ridsOf(looks: readonly Look[]): string[] {
  const rids = new Set<string>();
  for (const { report } of looks) for (const { rid } of report.layers) rids.add(rid);
  // As the latest report has them; what it does not name any more comes last.
  const latest = looks.at(-1)?.report.layers.map(({ rid }) => rid) ?? [];
  return [...latest, ...[...rids].filter((rid) => !latest.includes(rid))];
}

export interface Plotted {
  /** Seconds before the newest look, negative. */
  seconds: number[];
  /** For each layer, by its place in `ridsOf`. Null: it was not there. */
  kbps: (number | null)[][];
  viewers: (number | null)[][];
  /** Percent, of the viewers' lines. */
  meanLoss: number[];
  worstLoss: number[];
  /** Percent, between sender and node. */
  uplinkLoss: (number | null)[];
  /** A second. */
  asked: (number | null)[];
  requested: (number | null)[];
}

export function plotted(looks: readonly Look[]): Plotted {
  const last = looks.at(-1)?.atMs ?? 0;
  const rids = ridsOf(looks);
  const layer = (look: Look, rid: string): BroadcastLayer | undefined => look.report.layers.find((one) => one.rid === rid);
  const perLayer = (value: (one: BroadcastLayer) => number) => rids.map((rid) => looks.map((look) => ((one) => (one ? value(one) : null))(layer(look, rid))));
  const between = <T>(step: (before: Look, now: Look) => T) => looks.map((now, at) => ((before) => (before ? step(before, now) : null))(looks[at - 1]));
  const rate = (total: (report: BroadcastReport) => number) =>
    looks.map((now, at) => {
      const before = looks[Math.max(0, at - RATE_LOOKS)];
      if (before === undefined || before === now) return null;
      return (1000 * Math.max(0, total(now.report) - total(before.report))) / Math.max(1, now.atMs - before.atMs);
    });
  return {
    seconds: looks.map(({ atMs }) => (atMs - last) / 1000),
    kbps: perLayer(({ bitrateBps }) => bitrateBps / 1000),
    viewers: perLayer(({ viewers }) => viewers),
    meanLoss: looks.map(({ report }) => report.meanLossPermille / 10),
    worstLoss: looks.map(({ report }) => report.worstLossPermille / 10),
    uplinkLoss: between(lossBetween),
    asked: rate(({ keyFramesAsked }) => keyFramesAsked),
    requested: rate(({ keyFramesRequested }) => keyFramesRequested),
  };
}

/** Percent of what the sender sent in all layers. */
function lossBetween(before: Look, now: Look): number {
  const sum = ({ report }: Look, value: (one: BroadcastLayer) => number) => report.layers.reduce((total, one) => total + value(one), 0);
  const lost = Math.max(0, sum(now, ({ packetsLost }) => packetsLost) - sum(before, ({ packetsLost }) => packetsLost));
  const came = Math.max(0, sum(now, ({ packets }) => packets) - sum(before, ({ packets }) => packets));
  return lost + came === 0 ? 0 : (100 * lost) / (lost + came);
}

/** `940 kbit/s`, `1.8 Mbit/s`. */
export function bits(bps: number, language: string): string {
  const [value, unit] = bps < 1_000_000 ? [bps / 1000, "kbit/s"] : [bps / 1_000_000, "Mbit/s"];
  return `${value.toLocaleString(language, { maximumFractionDigits: value < 10 ? 1 : 0 })} ${unit}`;
}

export function percent(value: number, language: string): string {
  return `${value.toLocaleString(language, { minimumFractionDigits: value > 0 && value < 10 ? 1 : 0, maximumFractionDigits: value < 10 ? 1 : 0 })} %`;
}
