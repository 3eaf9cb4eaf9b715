// What calls decide by: whether the other's camera is on, how good the line is, which devices are taken, and what an offer tells.
import { afterEach, describe, expect, it, vi } from "vitest";
import { camera, choose, microphone } from "../src/media/devices";
import { PicturePresence } from "../src/media/presence";
import { QualityMeter, gradeOf } from "../src/media/quality";
import { steady } from "../src/media/sdp";

describe("the other's camera", () => {
  it("is on with the first picture, and off when there is sound without one", () => {
    const presence = new PicturePresence();
    expect(presence.heard({ audio: 20, video: 0 }, 0)).toBe(false);
    expect(presence.heard({ audio: 40, video: 9 }, 500)).toBe(true);
    expect(presence.heard({ audio: 60, video: 9 }, 1_500)).toBe(true);
    expect(presence.heard({ audio: 80, video: 9 }, 2_000)).toBe(false);
  });

  it("is not off while nothing arrives at all: that is the network", () => {
    const presence = new PicturePresence();
    presence.heard({ audio: 20, video: 9 }, 0);
    expect(presence.heard({ audio: 20, video: 9 }, 9_000)).toBe(true);
    expect(presence.heard({ audio: 25, video: 9 }, 9_500)).toBe(false);
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
