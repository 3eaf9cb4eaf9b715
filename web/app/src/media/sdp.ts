// The offer as it leaves: nothing in it may tell the node more than it needs.

/** Gathering host candidates is reading the interfaces; what is not there by then is left out. */
const GATHERING_MAX_MS = 1_500;

/**
 * Who speaks when (RFC 6464), and how a phone is held (3GPP TS 26.114): header extensions travel in clear. Without the latter the browser turns the picture itself.
 */
const TELLING = ["urn:ietf:params:rtp-hdrext:ssrc-audio-level", "urn:3gpp:video-orientation"];

/** Opus at a constant bit rate without DTX, since sizes and pauses would tell what is said; with its own error correction. */
export function steady(sdp: string): string {
  const opus = /a=rtpmap:(\d+) opus\/48000/i.exec(sdp)?.[1];
  const lines = sdp.split("\r\n").filter((line) => !TELLING.some((extension) => line.includes(extension)));
  return lines
    .map((line) => (line.startsWith(`a=fmtp:${opus} `) ? `a=fmtp:${opus} minptime=10;useinbandfec=1;cbr=1;usedtx=0` : line))
    .join("\r\n");
}

/** Offers only these codecs, the first one preferred; a browser that has none of them is left as it is and refused by the node. */
export function only(line: RTCRtpTransceiver, kind: "audio" | "video", mimeTypes: string[]): void {
  const codecs = RTCRtpReceiver.getCapabilities(kind)?.codecs.filter(({ mimeType }) => mimeTypes.includes(mimeType.toLowerCase())) ?? [];
  if (codecs.length > 0) line.setCodecPreferences(codecs);
}

/** Makes the offer and waits until the own addresses are in it. */
export async function offerOf(connection: RTCPeerConnection, options: RTCOfferOptions = {}): Promise<string> {
  const offer = await connection.createOffer(options);
  await connection.setLocalDescription({ type: "offer", sdp: steady(offer.sdp ?? "") });
  await gathered(connection);
  return connection.localDescription?.sdp ?? "";
}

function gathered(connection: RTCPeerConnection): Promise<void> {
  if (connection.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, GATHERING_MAX_MS);
    connection.addEventListener("icegatheringstatechange", () => {
      if (connection.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      resolve();
    });
  });
}
