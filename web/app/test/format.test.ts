import { describe, expect, it } from "vitest";
import { clock, dayLabel, daysAgo, duration, listTime } from "../src/time/format";
import { preferred } from "../src/i18n/language";
import { de } from "../src/i18n/de";
import { en } from "../src/i18n/en";

const NOW = new Date(2026, 10, 25, 14, 3).getTime();
const at = (day: number, hour = 9, minute = 5) => new Date(2026, 10, day, hour, minute).getTime();
const DE = { today: "Heute", yesterday: "Gestern" };
const EN = { today: "Today", yesterday: "Yesterday" };

describe("times", () => {
  it("counts to 24 in both languages", () => {
    expect(clock(at(25, 14, 3), "de")).toBe("14:03");
    expect(clock(at(25, 0, 7), "en")).toBe("00:07");
  });

  it("shortens with distance in the list", () => {
    expect(listTime(at(25), NOW, "de", DE)).toBe("09:05");
    expect(listTime(at(24, 23, 59), NOW, "de", DE)).toBe("Gestern");
    expect(listTime(at(20), NOW, "de", DE)).toBe("Freitag");
    expect(listTime(at(20), NOW, "en", EN)).toBe("Friday");
    expect(listTime(at(10), NOW, "de", DE)).toBe("10.11.26");
    expect(listTime(at(10), NOW, "en", EN)).toBe("10/11/26");
  });

  it("writes days in full between messages", () => {
    expect(dayLabel(at(25), NOW, "de", DE)).toBe("Heute");
    expect(dayLabel(at(3), NOW, "de", DE)).toBe("Dienstag, 3. November 2026");
    expect(dayLabel(at(3), NOW, "en", EN)).toBe("Tuesday, 3 November 2026");
  });

  it("takes days by the calendar, not by 24 hours", () => {
    expect(daysAgo(at(24, 23, 59), at(25, 0, 1))).toBe(1);
    expect(daysAgo(at(25, 0, 1), at(25, 23, 59))).toBe(0);
  });

  it("writes durations as a phone does", () => {
    expect([0, 7_400, 187_000, 3_723_000].map(duration)).toEqual(["0:00", "0:07", "3:07", "1:02:03"]);
  });
});

describe("languages", () => {
  it("follows the choice, then the browser", () => {
    expect(preferred("en", ["de-DE"])).toBe("en");
    expect(preferred(null, ["de-AT", "en"])).toBe("de");
    expect(preferred(null, ["fr-CH", "de-CH"])).toBe("de");
    expect(preferred(null, ["en-US", "de"])).toBe("en");
    expect(preferred(null, ["fr"])).toBe("en");
  });

  it("fills the same places in both", () => {
    const places = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1]).sort();
    for (const [section, texts] of Object.entries(de)) {
      for (const [key, text] of Object.entries(texts)) {
        const english = (en as Record<string, Record<string, string>>)[section]?.[key] ?? "";
        expect([...new Set(places(english))], `${section}.${key}`).toEqual([...new Set(places(text))]);
      }
    }
  });
});
