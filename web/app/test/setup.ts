// What jsdom lacks and the components need: sizes, media queries, observers.
import { cleanup, configure } from "@testing-library/react";
import { afterEach, beforeEach, vi } from "vitest";
import { startLanguage } from "../src/i18n/language";

configure({ asyncUtilTimeout: 3000 });

class NoObserver {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}

/** Whatever is drawn is in view. */
class SeesAll extends NoObserver {
  constructor(private readonly told: (entries: { isIntersecting: boolean }[]) => void) {
    super();
  }
  override observe(): void {
    this.told([{ isIntersecting: true }]);
  }
}

/** jsdom has blobs, but nothing that reads them at once. */
Blob.prototype.arrayBuffer ??= function arrayBuffer(this: Blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as ArrayBuffer);
    reader.onerror = () => reject(reader.error);
    reader.readAsArrayBuffer(this);
  });
};

let urls = 0;

beforeEach(() => {
  vi.stubGlobal("IntersectionObserver", SeesAll);
  const warn = console.warn;
  // An open menu counts as hidden where nothing is laid out: its focus trap says so, with the whole tree of the document.
  vi.spyOn(console, "warn").mockImplementation((...said: unknown[]) => void (String(said[0]).includes("use-focus-trap") || warn(...said)));
  URL.createObjectURL = () => `blob:test/${(urls += 1)}`;
  URL.revokeObjectURL = () => undefined;
  vi.stubGlobal("ResizeObserver", NoObserver);
  vi.stubGlobal("matchMedia", (query: string) => ({
    // A desktop: wide, with a mouse.
    matches: query.includes("min-width"),
    media: query,
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
  }));
  Element.prototype.scrollTo = function scrollTo(this: Element, to?: ScrollToOptions | number) {
    if (typeof to === "object" && to.top !== undefined) this.scrollTop = to.top;
  } as typeof Element.prototype.scrollTo;
  Element.prototype.scrollIntoView = () => undefined;
  vi.spyOn(document, "hasFocus").mockReturnValue(true);
  localStorage.clear();
  window.history.replaceState(null, "", "/");
  startLanguage("de");
});

afterEach(cleanup);
