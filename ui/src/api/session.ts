// Signing in: the key that the terminal printed becomes a cookie and leaves the address. Refuses to keep the key.

import { post } from "./client";

/** Exchanges `#k=...` if the address has one. A failure shows as 401 on the first read, with what to do. */
export async function signInFromAddress(): Promise<void> {
  const match = /^#k=(.+)$/.exec(window.location.hash);
  if (!match?.[1]) return;
  // First out of the address, so that neither history nor a copied link carries it.
  window.history.replaceState(null, "", window.location.pathname + window.location.search);
  await post.session(decodeURIComponent(match[1])).catch(() => undefined);
}
