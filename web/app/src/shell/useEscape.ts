// Escape leads one step back, unless something is open above the page that it closes.
import { useEffect, useRef } from "react";

const ABOVE = '[role="dialog"], [role="menu"]';

export function useEscape(back: () => void): void {
  const latest = useRef(back);
  useEffect(() => {
    latest.current = back;
  });
  useEffect(() => {
    let above = false;
    // Before anybody hears of the key: later the dialog may have closed itself already.
    const before = () => {
      above = document.querySelector(ABOVE) !== null;
    };
    // After everybody has: a field that the key empties has taken it.
    const after = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !above && !event.defaultPrevented) latest.current();
    };
    window.addEventListener("keydown", before, { capture: true });
    window.addEventListener("keydown", after);
    return () => {
      window.removeEventListener("keydown", before, { capture: true });
      window.removeEventListener("keydown", after);
    };
  }, []);
}
