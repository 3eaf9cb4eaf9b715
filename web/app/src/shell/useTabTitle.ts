// The tab says how many conversations wait, as far as a tab can.
import { useEffect } from "react";
import { useView } from "../session/Session";

export function useTabTitle(): void {
  const waiting = useView((view) => view.conversations.filter((conversation) => conversation.unread > 0).length);
  useEffect(() => {
    document.title = waiting > 0 ? `(${waiting}) Wardline` : "Wardline";
    if (!("setAppBadge" in navigator)) return;
    // Browsers refuse it to pages that are not installed; then there is simply no badge.
    void (waiting > 0 ? navigator.setAppBadge(waiting) : navigator.clearAppBadge()).catch(() => undefined);
  }, [waiting]);
}
