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

let urls = 0;

beforeEach(() => {
  vi.stubGlobal("IntersectionObserver", SeesAll);
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
