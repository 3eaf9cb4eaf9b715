// What a person says in a conversation, beside what merely happens there. Pure.
import type { TFunction } from "i18next";
import type { Body, Place } from "../device/contract";
import { kindOf } from "../files/kind";
import { shownName } from "../files/name";

export type Spoken = Extract<Body, { kind: "text" | "file" | "location" }>;
export type Happened = Exclude<Body, Spoken>;

export function isSpoken(body: Body): body is Spoken {
  switch (body.kind) {
    case "text":
    case "file":
    case "location":
      return true;
    case "title":
    case "call":
    case "broadcast":
      return false;
  }
}

/** The words of it that can be copied; empty for none. */
export function wordsOf(body: Spoken): string {
  switch (body.kind) {
    case "text":
      return body.text;
    case "file":
      return body.file.caption;
    case "location":
      return body.place.words;
  }
}

export type Sort = "text" | "picture" | "video" | "sound" | "document" | "place";

export function sortOf(body: Spoken): Sort {
  if (body.kind === "text") return "text";
  return body.kind === "location" ? "place" : kindOf(body.file.mime);
}

function placeSummary(place: Place, t: TFunction): string {
  return place.words === "" ? t("place.one") : t("place.named", { words: place.words });
}

/** In one line, for the list and for reading out. */
export function summaryOf(body: Spoken, t: TFunction): string {
  const line = () => {
    if (body.kind === "text") return body.text;
    if (body.kind === "location") return placeSummary(body.place, t);
    const { mime, name, caption } = body.file;
    const kind = kindOf(mime);
    const what = kind === "document" ? shownName(name) || t("file.unnamed") : t(`file.${kind}`);
    return caption === "" ? what : `${what}: ${caption}`;
  };
  // A line break would hide what follows it.
  return line().replace(/\s+/g, " ").trim();
}
