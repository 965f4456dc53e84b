// A browser with nothing remembered that listens for everything that may go wrong on a page. Refuses to know any page.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export const DESKTOP = { width: 1360, height: 900 };
/** Where the columns have all their room. */
export const DESKTOP_WIDE = { width: 1440, height: 900 };
export const PHONE = { width: 390, height: 844 };

/** Runs `visit` in a fresh browser; answers what the console and the content policy complained of meanwhile. */
export async function withBrowser({ viewport, dark }, visit) {
  const directory = mkdtempSync(join(tmpdir(), "serinus-e2e-"));
  const complaints = [];
  const context = await chromium.launchPersistentContext(directory, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: FLAGS,
    viewport,
    colorScheme: dark ? "dark" : "light",
    isMobile: viewport.width < 600,
    hasTouch: viewport.width < 600,
  });
  try {
    await context.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) =>
        console.error(`content policy: ${event.violatedDirective} ${event.blockedURI}`),
      );
    });
    const page = context.pages()[0] ?? (await context.newPage());
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    await visit(page, complaints);
  } finally {
    await context.close();
    rmSync(directory, { recursive: true, force: true });
  }
  return complaints;
}
