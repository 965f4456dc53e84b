// Which environment this page looks at: kept for the tab, sent with every request. Refuses to know what is in it.

const KEY = "serinus-environment";
export const HOME = "production";

/** The environment of this tab. */
export function environment(): string {
  try {
    return window.sessionStorage.getItem(KEY) ?? HOME;
  } catch {
    // A browser that keeps nothing for us looks at production.
    return HOME;
  }
}

/** Looks at another one: everything on the page is read anew. */
export function enter(key: string): void {
  try {
    window.sessionStorage.setItem(KEY, key);
  } catch {
    return;
  }
  window.location.reload();
}
