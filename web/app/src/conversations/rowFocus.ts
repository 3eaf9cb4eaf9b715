// Arrow keys walk through the rows of a list, as they do in every messenger. Tab still works.
import type { KeyboardEvent } from "react";

const STEPS: Record<string, (at: number, count: number) => number> = {
  ArrowDown: (at, count) => Math.min(at + 1, count - 1),
  ArrowUp: (at) => Math.max(at - 1, 0),
  Home: () => 0,
  End: (_, count) => count - 1,
};

export function moveFocus(pane: HTMLElement | null, event: KeyboardEvent): void {
  const step = STEPS[event.key];
  if (!pane || !step || event.altKey || event.ctrlKey || event.metaKey) return;
  const rows = [...pane.querySelectorAll<HTMLElement>("[data-row]")];
  const at = rows.findIndex((row) => row === document.activeElement);
  const next = rows[step(at, rows.length)];
  if (!next) return;
  event.preventDefault();
  next.focus();
}
