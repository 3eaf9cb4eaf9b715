// Trusted Types: the one policy of this page. Scripts are loaded from the page's own origin by a URL; nothing else is ever made into code or markup.

interface ScriptUrlPolicy {
  createScriptURL(url: string): string;
}
interface Factory {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): ScriptUrlPolicy;
}

function own(url: string): string {
  const target = new URL(url, window.location.href);
  if (target.origin !== window.location.origin) throw new TypeError("a script of another origin");
  return target.href;
}

const factory = (globalThis as { trustedTypes?: Factory }).trustedTypes;
const policy = factory?.createPolicy("wardline", { createScriptURL: own });

/** For `new Worker` and `serviceWorker.register`, which take a string only in browsers without Trusted Types. */
export function ownScript(url: string): string {
  return policy ? policy.createScriptURL(url) : own(url);
}
