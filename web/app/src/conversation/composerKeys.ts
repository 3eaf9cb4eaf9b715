// What the Enter key does while writing. Pure.

export interface Pressed {
  key: string;
  shiftKey: boolean;
  ctrlKey: boolean;
  metaKey: boolean;
  /** An input method is still composing: Enter takes its suggestion. */
  isComposing: boolean;
}

/** On a phone's own keyboard there is no Shift+Enter: Enter is the new line there and the button sends. */
export function sends(pressed: Pressed, phone: boolean): boolean {
  if (pressed.key !== "Enter" || pressed.isComposing || pressed.shiftKey) return false;
  return !phone || pressed.ctrlKey || pressed.metaKey;
}
