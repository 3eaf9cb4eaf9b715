// Finds a QR code in a picture. Loaded only when somebody scans: nobody waits for it at the first load.
import { decodeQR } from "qr/decode.js";

/** The code's text; null when there is none that can be read. */
export function readQr(picture: ImageData): string | null {
  try {
    return decodeQR(picture);
  } catch {
    // The ordinary case: nothing in view, or not sharp yet. The next picture comes at once.
    return null;
  }
}
