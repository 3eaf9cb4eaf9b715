// A QR code as one SVG path: no canvas, no data: URL, sharp at any size. Always dark on light, because many readers know nothing else.
import { useMemo } from "react";
import { encode } from "uqr";

/** The margin that a reader needs, in modules (ISO/IEC 18004). */
const QUIET = 4;

export function Qr({ text, label, size }: { text: string; label: string; size: number }) {
  const { path, side } = useMemo(() => {
    const code = encode(text, { ecc: "M", border: 0 });
    let drawn = "";
    code.data.forEach((row, y) => row.forEach((dark, x) => (drawn += dark ? `M${x + QUIET} ${y + QUIET}h1v1h-1z` : "")));
    return { path: drawn, side: code.size + 2 * QUIET };
  }, [text]);
  return (
    <svg role="img" aria-label={label} width={size} height={size} viewBox={`0 0 ${side} ${side}`} shapeRendering="crispEdges">
      <rect width={side} height={side} rx={1.5} fill="#fff" />
      <path d={path} fill="#0b2429" />
    </svg>
  );
}
