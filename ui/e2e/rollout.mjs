// Looks at a running server's dashboard as a person would, and says what is missing. Refuses to prepare anything: the server
// and the rollout must be there.
//
//   node e2e/rollout.mjs --base http://127.0.0.1:7171 --rollout support-1 [--key srn_...] [--rows 5] [--events 1]
//        [--roll-back] [--shots DIR]

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { DESKTOP, PHONE, withBrowser } from "./browser.mjs";

const { values: options } = parseArgs({
  options: {
    base: { type: "string", default: "http://127.0.0.1:7171" },
    rollout: { type: "string" },
    key: { type: "string" },
    rows: { type: "string", default: "5" },
    events: { type: "string", default: "1" },
    "roll-back": { type: "boolean", default: false },
    shots: { type: "string" },
  },
});
if (!options.rollout) {
  console.error("name the rollout to look at: --rollout KEY");
  process.exit(2);
}

const failures = [];
const check = (what, fine, detail = "") => {
  console.log(`${fine ? "ok  " : "FAIL"} ${what}${fine || !detail ? "" : `: ${detail}`}`);
  if (!fine) failures.push(what);
};

async function open(page, path) {
  await page.goto(options.base + path, { waitUntil: "domcontentloaded" });
  await page.locator("main h1.sentence").first().waitFor({ timeout: 10_000 });
}

async function shot(page, name) {
  if (!options.shots) return;
  mkdirSync(options.shots, { recursive: true });
  await page.screenshot({ path: join(options.shots, `${name}.png`), fullPage: true });
}

async function fits(page, what) {
  const [inside, width] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    window.innerWidth,
  ]);
  check(`${what} fits the screen`, inside <= width, `${inside} px wide on ${width}`);
}

async function rolloutPage(page, name) {
  await open(page, `/r/${options.rollout}`);
  const sentence = (await page.locator("h1.sentence").first().textContent())?.trim() ?? "";
  check(`${name}: the verdict is a sentence`, sentence.split(/\s+/).length >= 3, sentence);
  await page.locator("table.events tbody tr").first().waitFor({ timeout: 10_000 });
  const rows = await page.locator("tr.forest-row").count();
  check(`${name}: at least ${options.rows} guardrails are drawn`, rows >= Number(options.rows), `${rows}`);
  const events = await page.locator("table.events tbody tr").count();
  check(`${name}: at least ${options.events} events are told`, events >= Number(options.events), `${events}`);
  check(
    `${name}: the stage is marked`,
    (await page.locator(".stages [aria-current=step], .stage-done").count()) > 0,
  );
  await fits(page, `${name}: rollout`);
  await shot(page, `${name}-rollout`);
}

const PAGES = [
  ["overview", "/"],
  ["interactions", "/interactions?show=all"],
  ["artifacts", "/artifacts"],
  ["revisions", "/revisions"],
  ["setup", "/setup"],
];

async function otherPages(page, name) {
  for (const [what, path] of PAGES) {
    await open(page, path);
    await page.waitForTimeout(400);
    await fits(page, `${name}: ${what}`);
    await shot(page, `${name}-${what}`);
  }
  await open(page, "/revisions");
  await page.locator("table.events a").first().click();
  await page.locator("#changes").waitFor();
  await fits(page, `${name}: revision`);
  await shot(page, `${name}-revision`);
  await open(page, "/");
  const feature = page.locator('a[href^="/f/"]').first();
  if ((await feature.count()) > 0) {
    await feature.click();
    await page.locator("#layers").waitFor();
    await fits(page, `${name}: feature`);
    await shot(page, `${name}-feature`);
  }
}

async function rollBack(page) {
  await open(page, `/r/${options.rollout}`);
  await page.getByRole("button", { name: /^Roll back/ }).click();
  const told = page.getByTestId("in-effect");
  await told.waitFor({ timeout: 30_000 });
  const text = (await told.textContent()) ?? "";
  check("roll back says where it is in effect", /in effect on \d+ of \d+ nodes? after/.test(text), text);
  await shot(page, "rolled-back");
}

const VIEWS = [
  ["desktop", { viewport: DESKTOP, dark: false }],
  ["desktop-dark", { viewport: DESKTOP, dark: true }],
  ["phone", { viewport: PHONE, dark: false }],
  ["phone-dark", { viewport: PHONE, dark: true }],
];

for (const [name, view] of VIEWS) {
  const complaints = await withBrowser(view, async (page) => {
    if (options.key) await open(page, `/#k=${encodeURIComponent(options.key)}`);
    await rolloutPage(page, name);
    await otherPages(page, name);
    if (options["roll-back"] && name === VIEWS[VIEWS.length - 1][0]) await rollBack(page);
  });
  check(`${name}: nothing complained`, complaints.length === 0, complaints.slice(0, 3).join(" | "));
}
process.exit(failures.length === 0 ? 0 : 1);
