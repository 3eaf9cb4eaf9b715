// What calls decide by: whether the other's camera is on, how good the line is, which devices are taken, and what an offer tells.
import { afterEach, describe, expect, it, vi } from "vitest";
import { camera, choose, microphone } from "../src/media/devices";
import { PicturePresence } from "../src/media/presence";
import { QualityMeter, gradeOf } from "../src/media/quality";
import { steady } from "../src/media/sdp";

describe("the other's camera", () => {
  /** Half a second each: whether sound, pictures and packets of the picture's line came. */
  function plays(presence: PicturePresence, startMs: number, steps: { sound?: boolean; pictures?: number; packets?: number }[], since = { audio: 0, video: 0, videoPackets: 0 }) {
    let arrived = since;
    const states = steps.map(({ sound = true, pictures = 0, packets = 0 }, step) => {
      arrived = { audio: arrived.audio + (sound ? 25 : 0), video: arrived.video + pictures, videoPackets: arrived.videoPackets + packets };
      return presence.heard(arrived, startMs + 500 * step);
    });
    return { states, arrived };
  }
  const SEEN = { pictures: 14, packets: 60 };
  const NONE = {};
  const PARTS = { packets: 20 };

  it("is on with the first picture, and off when there is sound without one", () => {
    const { states } = plays(new PicturePresence(), 0, [NONE, SEEN, NONE, NONE, NONE]);
    expect(states).toEqual(["off", "on", "on", "on", "off"]);
  });

  it("is not off while nothing arrives at all: that is the network", () => {
    const presence = new PicturePresence();
    const silent = Array.from({ length: 18 }, () => ({ sound: false }));
    const { states, arrived } = plays(presence, 0, [SEEN, ...silent]);
    expect(new Set(states)).toEqual(new Set(["on"]));
    expect(plays(presence, 9_500, [NONE], arrived).states).toEqual(["off"]);
  });

  it("is on and stalled while parts of pictures arrive and no whole one", () => {
    const { states } = plays(new PicturePresence(), 0, [SEEN, PARTS, PARTS, PARTS, PARTS, PARTS, SEEN]);
    expect(states).toEqual(["on", "on", "on", "stalled", "stalled", "stalled", "on"]);
  });

  it("is off, and not stalled, when the last parts came right after the last picture", () => {
    const { states } = plays(new PicturePresence(), 0, [SEEN, PARTS, NONE, NONE, NONE]);
    expect(states).toEqual(["on", "on", "on", "off", "off"]);
  });

  it("is off once nothing of its line comes any more", () => {
    const { states } = plays(new PicturePresence(), 0, [SEEN, PARTS, PARTS, PARTS, NONE, NONE, NONE]);
    expect(states.slice(3)).toEqual(["stalled", "stalled", "stalled", "off"]);
  });

  it("is not on before the first whole picture", () => {
    expect(plays(new PicturePresence(), 0, [PARTS, PARTS, PARTS, PARTS]).states).toEqual(["off", "off", "off", "off"]);
  });
});

describe("the quality", () => {
  const sample = { received: 0, lost: 0, uplinkLoss: 0, jitterMs: 5, rttMs: 30 };

  it("is not known from one look", () => {
    expect(new QualityMeter().judge(sample)).toBeNull();
  });

  it("is that of the last seconds, not of the whole call", () => {
    const meter = new QualityMeter();
    meter.judge(sample);
    expect(meter.judge({ ...sample, received: 90, lost: 10 })).toMatchObject({ grade: "poor", lossPercent: 10 });
    for (const received of [190, 290, 390]) meter.judge({ ...sample, received, lost: 10 });
    expect(meter.judge({ ...sample, received: 490, lost: 10 })).toMatchObject({ grade: "good", lossPercent: 0 });
  });

  it("is as bad as the worse direction", () => {
    const meter = new QualityMeter();
    meter.judge(sample);
    expect(meter.judge({ ...sample, received: 100, uplinkLoss: 0.05 })).toMatchObject({ grade: "weak", lossPercent: 5 });
  });

  it("falls at each of its bounds", () => {
    const fine = { rttMs: 40, lossPercent: 0, jitterMs: 5 };
    expect(gradeOf(fine)).toBe("good");
    expect([{ rttMs: 200 }, { lossPercent: 3 }, { jitterMs: 40 }].map((part) => gradeOf({ ...fine, ...part }))).toEqual(["weak", "weak", "weak"]);
    expect([{ rttMs: 450 }, { lossPercent: 10 }, { jitterMs: 100 }].map((part) => gradeOf({ ...fine, ...part }))).toEqual(["poor", "poor", "poor"]);
  });
});

describe("a device", () => {
  const asked: MediaStreamConstraints[] = [];
  const browser = (getUserMedia: (constraints: MediaStreamConstraints) => Promise<unknown>) =>
    vi.stubGlobal("navigator", { mediaDevices: { getUserMedia: (constraints: MediaStreamConstraints) => (asked.push(constraints), getUserMedia(constraints)) } });
  const track = { kind: "audio" };
  afterEach(() => {
    asked.length = 0;
    vi.unstubAllGlobals();
  });

  it("is the chosen one", async () => {
    choose("microphone", "headset");
    browser(async () => ({ getTracks: () => [track] }));
    expect(await microphone()).toBe(track);
    expect(asked[0]?.audio).toMatchObject({ deviceId: { exact: "headset" }, echoCancellation: true });
  });

  it("is the default when the chosen one is gone", async () => {
    choose("camera", "unplugged");
    browser(async (constraints) => {
      if ("deviceId" in (constraints.video as MediaTrackConstraints)) throw new DOMException("", "OverconstrainedError");
      return { getTracks: () => [track] };
    });
    expect(await camera(null)).toBe(track);
    expect(asked).toHaveLength(2);
  });

  it("is not asked for a second time when the person has refused", async () => {
    choose("microphone", "headset");
    browser(async () => {
      throw new DOMException("", "NotAllowedError");
    });
    await expect(microphone()).rejects.toMatchObject({ name: "NotAllowedError" });
    expect(asked).toHaveLength(1);
  });
});

describe("an offer", () => {
  it("tells neither who speaks when nor how the phone is held, and voice has a constant rate", () => {
    const sdp = [
      "m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level", "a=rtpmap:111 opus/48000/2",
      "a=fmtp:111 minptime=10;useinbandfec=1", "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=extmap:3 urn:3gpp:video-orientation", "a=rtpmap:96 VP8/90000",
    ].join("\r\n");
    const offered = steady(sdp);
    expect(offered).not.toMatch(/audio-level|orientation/);
    expect(offered).toContain("a=fmtp:111 minptime=10;useinbandfec=1;cbr=1;usedtx=0");
  });
});
