// What each notice says in plain words, how serious it is, and where it leads. Pure.
import type { TFunction } from "i18next";
import type { Notice, View } from "../device/contract";
import { de } from "../i18n/de";
import { nameOf, titleOf } from "../session/naming";

export interface Told {
  text: string;
  /** An alarm stays until it is closed and is read out at once. */
  alarm: boolean;
  leads: { to: "own-devices" } | { to: "person"; account: string } | { to: "conversation"; conversation: string } | null;
}

export function misbehaviour(detail: string | null, t: TFunction): string {
  const key = (detail ?? "").toLowerCase().replace(/[^a-z]/g, "");
  return key in de.misbehaviour ? t(`misbehaviour.${key as keyof typeof de.misbehaviour}`) : t("misbehaviour.other");
}

export function tell(notice: Notice, view: View, t: TFunction): Told {
  const { account, conversation } = notice;
  const own = account === null || account === view.me;
  const name = account === null ? "" : nameOf(view.accounts, account);
  const person: Told["leads"] = account === null ? null : { to: "person", account };
  switch (notice.kind) {
    case "device-added":
    case "member-device-added":
      return own ? { text: t("notice.deviceAddedOwn"), alarm: true, leads: { to: "own-devices" } } : { text: t("notice.memberDeviceAdded", { name }), alarm: false, leads: person };
    case "device-revoked":
      return own ? { text: t("notice.deviceRevokedOwn"), alarm: false, leads: { to: "own-devices" } } : { text: t("notice.deviceRevoked", { name }), alarm: false, leads: null };
    case "second-use-of-code":
      return { text: t("notice.secondUseOfCode"), alarm: true, leads: { to: "own-devices" } };
    case "node-restored":
      return { text: t("notice.nodeRestored"), alarm: false, leads: null };
    case "healed": {
      const found = view.conversations.find((other) => other.id === conversation);
      const title = found ? titleOf(found, view.me, view.accounts) : "…";
      return { text: t("notice.healed", { title }), alarm: false, leads: found ? { to: "conversation", conversation: found.id } : null };
    }
    case "account-renamed":
      return { text: t("notice.renamed", { name }), alarm: false, leads: null };
    case "node-refused":
      return { text: t("notice.nodeRefused", { detail: misbehaviour(notice.detail, t) }), alarm: true, leads: null };
  }
}
