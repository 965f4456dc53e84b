// The browser tab's title. Refuses to touch anything else of the document.

import { useEffect } from "react";

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Serinus`;
  }, [title]);
}
