// How well a call's packets get through, in a word: from what the browser's statistics say of the last seconds. Pure.
import type { Grade, Quality } from "./live";

/** Of the browser's statistics (W3C webrtc-stats), what is judged. Counts are since the call began. */
export interface Sample {
  received: number;
  lost: number;
  /** Of what was sent, as the server reports it: 0 to 1. */
  uplinkLoss: number;
  jitterMs: number;
  rttMs: number;
}

/** Samples that one judgement spans: at one every 2 s, 6 s. One lost packet says nothing; a minute ago says nothing either. */
const SPAN = 3;

/**
 * From where on it is weak, and poor. Delay: half of what ITU-T G.114 allows mouth to ear goes to the way to the server and from it. Loss: Opus with its own
 * correction hides about 3 % and is hard to follow beyond 10 %. Jitter: what the receiver must wait for.
 */
const WEAK = { rttMs: 200, lossPercent: 3, jitterMs: 40 };
const POOR = { rttMs: 450, lossPercent: 10, jitterMs: 100 };

export class QualityMeter {
  private readonly samples: Sample[] = [];

  /** Takes a sample in; null while nothing can be said yet. */
  judge(sample: Sample): Quality | null {
    this.samples.push(sample);
    if (this.samples.length > SPAN + 1) this.samples.shift();
    const [first] = this.samples;
    if (first === undefined || this.samples.length < 2) return null;
    const lost = Math.max(0, sample.lost - first.lost);
    const expected = lost + Math.max(0, sample.received - first.received);
    const downlinkPercent = expected === 0 ? 0 : (100 * lost) / expected;
    const measured = { rttMs: sample.rttMs, lossPercent: Math.max(downlinkPercent, 100 * sample.uplinkLoss), jitterMs: sample.jitterMs };
    return { grade: gradeOf(measured), ...measured };
  }
}

export function gradeOf(measured: Omit<Quality, "grade">): Grade {
  const beyond = (bound: Omit<Quality, "grade">) =>
    measured.rttMs >= bound.rttMs || measured.lossPercent >= bound.lossPercent || measured.jitterMs >= bound.jitterMs;
  if (beyond(POOR)) return "poor";
  return beyond(WEAK) ? "weak" : "good";
}

/** Packets of the picture that have come, from its receiver's statistics. */
export function videoPacketsOf(report: RTCStatsReport): number {
  let packets = 0;
  report.forEach((part: Record<string, unknown>) => {
    if (part.type === "inbound-rtp" && part.kind === "video" && typeof part.packetsReceived === "number") packets += part.packetsReceived;
  });
  return packets;
}

/** Of the voice alone: pictures give way to it, and it is what a call cannot do without. */
export function sampleOf(report: RTCStatsReport): Sample {
  const sample: Sample = { received: 0, lost: 0, uplinkLoss: 0, jitterMs: 0, rttMs: 0 };
  report.forEach((part: Record<string, unknown>) => {
    const number = (name: string) => (typeof part[name] === "number" ? (part[name] as number) : 0);
    if (part.type === "inbound-rtp" && part.kind === "audio") {
      sample.received = number("packetsReceived");
      sample.lost = number("packetsLost");
      sample.jitterMs = number("jitter") * 1000;
    } else if (part.type === "remote-inbound-rtp" && part.kind === "audio") {
      sample.uplinkLoss = number("fractionLost");
    } else if (part.type === "candidate-pair" && part.nominated === true && number("currentRoundTripTime") > 0) {
      sample.rttMs = number("currentRoundTripTime") * 1000;
    }
  });
  return sample;
}
