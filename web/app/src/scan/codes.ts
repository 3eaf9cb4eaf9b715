// What a QR code says, as far as a page can tell: which of Wardline's codes it is. Whether it is good, the device decides.

export type Scanned = "enrolment" | "device" | "safety" | "foreign";

/** As the schema's codes are written: base64url, from the shortest to the longest that is looked at. */
const BARE = /^[A-Za-z0-9_-]{60,1024}$/;
const SAFETY = /^\d{60}$/;

/** `wardline://enrol#…` and `https://any-node/enrol#…` sign in, `wardline://link#…` asks to be linked. */
export function whatIs(text: string): Scanned {
  const trimmed = text.trim();
  if (SAFETY.test(trimmed)) return "safety";
  const [, place, code] = /^([^#]+)#(.+)$/.exec(trimmed) ?? [];
  if (place === undefined || code === undefined || !BARE.test(code)) return "foreign";
  if (place === "wardline://link") return "device";
  return place === "wardline://enrol" || /^https?:\/\/[^/]+\/enrol\/?$/.test(place) ? "enrolment" : "foreign";
}
