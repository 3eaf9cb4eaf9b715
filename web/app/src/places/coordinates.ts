// Coordinates as people and maps read them. What was received is checked: it comes from another program. Pure.
import type { Place } from "../device/contract";

export type Position = NonNullable<Place["position"]>;

/** Five digits behind the point are about a metre; more would pretend. */
const DIGITS = 5;

export function validPosition({ position }: Place): Position | null {
  if (position === null) return null;
  const { latitude, longitude, accuracyM } = position;
  if (!(Math.abs(latitude) <= 90) || !(Math.abs(longitude) <= 180)) return null;
  return { latitude, longitude, accuracyM: accuracyM > 0 && Number.isFinite(accuracyM) ? accuracyM : 0 };
}

/** `53.55108, 9.99368`: what every map's search field takes. */
export function coordinatesText({ latitude, longitude }: Position): string {
  return `${latitude.toFixed(DIGITS)}, ${longitude.toFixed(DIGITS)}`;
}

/** RFC 5870. The device's own map application takes it; no server is asked. */
export function mapAddress({ latitude, longitude }: Position): string {
  return `geo:${latitude.toFixed(DIGITS)},${longitude.toFixed(DIGITS)}`;
}

/** In metres, then in kilometres. */
export function accuracyText(accuracyM: number, locale: string): string {
  if (accuracyM < 1000) return `${Math.max(1, Math.round(accuracyM)).toLocaleString(locale)} m`;
  return `${(accuracyM / 1000).toLocaleString(locale, { maximumFractionDigits: 1 })} km`;
}
