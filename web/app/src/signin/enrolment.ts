// The enrolment link: its secret stands behind the `#`, which no server ever sees. It is taken out of the address at once, so that it stays neither
// in the bar, nor in the history, nor in a bookmark.

interface Address {
  pathname: string;
  hash: string;
}

interface Rewritable {
  replaceState(state: unknown, unused: string, url: string): void;
}

/** The code of an enrolment link that this page was opened with; null when it was opened otherwise. */
export function takeEnrolmentCode(address: Address, history: Rewritable): string | null {
  const enrolling = /\/enrol\/?$/.test(address.pathname);
  if (!enrolling) return null;
  const code = address.hash.replace(/^#/, "");
  history.replaceState(null, "", "/");
  return code === "" ? null : code;
}

/** What people paste comes with line breaks and spaces of the sheet or the mail. */
export function cleanCode(pasted: string): string {
  return pasted.replace(/\s+/g, "");
}
