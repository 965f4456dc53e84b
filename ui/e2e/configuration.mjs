// Walks through the configuration screens of a running server as three people would: flags, prompts, people, environments, and a change
// that waits for a second person. Refuses to prepare more than it needs to find; wants a server with an empty data directory.
//
//   node e2e/configuration.mjs --base http://127.0.0.1:7171 --key srn_... [--shots DIR]

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { DESKTOP_WIDE, PHONE, withBrowser } from "./browser.mjs";
import { api, propose, seed } from "./world.mjs";

const { values: options } = parseArgs({
  options: {
    base: { type: "string", default: "http://127.0.0.1:7171" },
    key: { type: "string" },
    shots: { type: "string" },
  },
});
if (!options.key) {
  console.error("give the administrator's key: --key srn_... (admin.token in the data directory)");
  process.exit(2);
}

const failures = [];
const check = (what, fine, detail = "") => {
  console.log(`${fine ? "ok  " : "FAIL"} ${what}${fine || !detail ? "" : `: ${detail}`}`);
  if (!fine) failures.push(what);
};
const WAIT = { timeout: 10_000 };
const DESKTOP_LIGHT = { viewport: DESKTOP_WIDE, dark: false };

async function open(page, path) {
  await page.goto(options.base + path, { waitUntil: "domcontentloaded" });
  await page.locator("main h1.sentence").first().waitFor(WAIT);
}

async function shot(page, name) {
  if (!options.shots) return;
  mkdirSync(options.shots, { recursive: true });
  await page.screenshot({ path: join(options.shots, `${name}.png`), fullPage: true });
}

/** Whether something shows up that reads like this. */
async function shows(locator, text, what) {
  const found = locator.filter({ hasText: text }).first();
  const seen = await found.waitFor(WAIT).then(
    () => true,
    () => false,
  );
  const instead = seen ? "" : (await locator.allTextContents()).join(" | ").slice(0, 300);
  check(what, seen, `no ${text} in "${instead}"`);
}

const press = (page, name) => page.getByRole("button", { name, exact: true }).click(WAIT);
const told = (page, part = "main") => page.locator(`${part} .notice`);

async function flags(page) {
  await open(page, "/flags");
  const rows = page.locator("table tbody tr");
  await rows.first().waitFor(WAIT);
  check("the list shows every flag", (await rows.count()) === 5, `${await rows.count()}`);
  await page.getByLabel("find").fill("search-team");
  check("it is searched by owner", (await rows.count()) === 1, `${await rows.count()}`);
  await shows(rows, "search-ranker", "and finds the flag");
  await shows(page.locator("main li"), "staff", "segments are listed");
  await shows(page.locator("main li"), "dark-mode", "scheduled changes are listed");
  await page.getByRole("link", { name: "search-ranker" }).click();
  await shows(page.locator("main ol.lines"), "new 5%, old 95%", "a flag's page shows its split");
}

async function explain(page) {
  const form = page.locator("form", { has: page.getByRole("button", { name: "Explain" }) });
  await form.getByLabel("user").fill("user-9");
  await form.getByLabel(/attributes/).fill("country=US\nplan=pro\napp=2.4.0\norg=acme");
  await press(page, "Explain");
  await shows(form.locator(".step-last"), /new|old/, "explain marks the deciding step");
  await shows(form.locator(".steps"), "paying-us", "and names the rule");
  await form.getByLabel("user").fill("user-1");
  await press(page, "Explain");
  await shows(form.locator(".steps .step-last"), "forced", "a named caller is decided first");
  await shot(page, "explain");
}

async function change(page) {
  await open(page, "/flags/dark-mode");
  await press(page, "Turn it off");
  await shows(page.locator("h1"), "It is off", "a flag is turned off");
  await press(page, "Turn it on");
  await shows(page.locator("h1"), "1 rule", "and on again");
  const text = page.getByLabel("As JSON");
  const before = await text.inputValue();
  await text.fill(before.replace('"default": "off"', '"default": "nowhere"'));
  await press(page, "Save");
  await shows(page.getByRole("alert"), "nowhere", "a broken definition is refused in its place");
  check("and what was written stays", (await text.inputValue()).includes("nowhere"));
  await shot(page, "refused");
  await text.fill("{");
  await press(page, "Save");
  await shows(page.getByRole("alert"), "cannot be read", "so is a text that is no JSON");
  await text.fill(before.replace("The dark theme", "The night theme"));
  await press(page, "Save");
  await shows(told(page), "in effect as revision", "a good definition is in effect");
  await shows(page.locator("main p"), "The night theme of the web shop", "and read back");
}

async function artifact(page) {
  await open(page, "/artifacts/system_prompt/support");
  await shows(page.locator("ins"), "briefly", "the diff marks what was put in");
  await shows(page.locator("del"), "length", "and what was taken out");
  await page.getByLabel("Variables as JSON").fill('{ "shop": "Blue Finch" }');
  await press(page, "Render");
  await shows(page.locator("pre"), "support desk of Blue Finch", "a prompt is shown as it would be sent");
  await shot(page, "rendered");
}

async function revert(page) {
  await open(page, "/revisions?subject=flag/dark-mode");
  const rows = page.locator("table.events tbody tr");
  await rows.first().waitFor(WAIT);
  const texts = await rows.allTextContents();
  check(
    "the audit is filtered by document",
    texts.length >= 4 && texts.every((text) => text.includes("dark-mode")),
    texts.join(" | "),
  );
  await page.getByLabel("who").fill("nobody");
  await page.getByLabel("who").press("Enter");
  await shows(page.locator(".empty"), "Nothing fits", "and by who did it");
  await page.goBack();
  await rows.first().waitFor(WAIT);
  check("the way back undoes a filter", (await page.getByLabel("who").inputValue()) === "");
  await rows.first().locator("a").click();
  await press(page, "Revert…");
  await shows(page.locator("main li"), "goes back", "revert shows first what would go back");
  await page.getByRole("button", { name: /^Revert revision/ }).click();
  await shows(told(page), "reverted by revision", "then does it");
  await open(page, "/flags/dark-mode");
  await shows(page.locator("main"), "The dark theme of the web shop", "and the flag reads as before");
}

/** Adds somebody; answers the link that signs them in. */
async function invite(page, id, name, role) {
  const panel = page.locator("section", { has: page.locator("#people") });
  await panel.getByLabel("handle").fill(id);
  await panel.getByLabel("name").fill(name);
  await panel.getByLabel("address").fill(`${id}@example.com`);
  await panel.getByLabel(/may, in/).selectOption(role);
  await panel.getByRole("button", { name: "Add and make a link" }).click();
  const link = panel.locator("code").filter({ hasText: `#k=` });
  await panel.locator("tbody th", { hasText: id }).waitFor(WAIT);
  await link.waitFor(WAIT);
  return (await link.textContent()) ?? "";
}

async function people(page) {
  await open(page, "/settings");
  const ana = await invite(page, "ana", "Ana Silva", "approver");
  // The second link takes the first one's place.
  await open(page, "/settings");
  const ben = await invite(page, "ben", "Ben Okafor", "editor");
  check("each person has a link of their own", ana.includes("#k=") && ben.includes("#k=") && ana !== ben);
  const tokens = page.locator("section", { has: page.locator("#tokens") });
  await tokens.getByLabel("for").fill("shop-backend");
  await tokens.getByRole("button", { name: /^Make a token/ }).click();
  await shows(tokens.locator("code"), /^srn_/, "a token is shown once");
  await shot(page, "invited");
  return { ana, ben };
}

async function environments(page) {
  await open(page, "/settings");
  const panel = page.locator("section", { has: page.locator("#environments") });
  await shows(panel.locator("li"), "flag/only-in-staging", "what two environments do not share is listed");
  const line = panel.locator("li", { hasText: "flag/only-in-staging" });
  await line.getByRole("button", { name: "Copy to production" }).click();
  await shows(told(page, "#main section"), "is in production", "and is copied over");
  await line.waitFor({ ...WAIT, state: "detached" });
  const theirs = panel.locator("li", { hasText: "flag/search-ranker" });
  await shows(theirs, "only in production", "what only the other one has is named");
  check("and is not offered", (await theirs.getByRole("button").count()) === 0);
  await page.locator(".top select").selectOption("staging");
  await page.locator(".chip-elsewhere").waitFor(WAIT);
  await open(page, "/flags");
  await shows(page.locator("main h1"), "2 flags", "the switch shows the other environment's flags");
  await page.locator(".top select").selectOption("production");
  await page.locator(".chip-elsewhere").waitFor({ ...WAIT, state: "detached" });
  await open(page, "/settings");
  const row = (key) => panel.locator("tr", { has: page.locator("th", { hasText: key }) });
  await row("staging").getByRole("button", { name: "Protect it" }).click();
  await shows(row("staging"), "waits for a second person", "another environment is protected from here");
  await row("production").getByRole("button", { name: "Protect it" }).click();
  await shows(row("production"), "waits for a second person", "production is protected");
}

/** Ben's change becomes a proposal, which he cannot approve himself; answers its page. */
async function ask(page, link) {
  await page.goto(link, { waitUntil: "domcontentloaded" });
  await page.locator("main h1.sentence").first().waitFor(WAIT);
  await open(page, "/flags/dark-mode");
  await press(page, "Turn it off");
  await shows(told(page), "waits for a second person", "a change in a protected environment waits");
  await shot(page, "waits");
  await page.getByRole("link", { name: "look at it" }).click();
  await shows(page.locator(".paths tr"), "disabled", "what would change is shown");
  await shows(page.locator("h2"), "nobody approved it yet", "its proposal is a link away");
  await shows(page.locator("main"), "You proposed this", "ben reads why he cannot approve it");
  check("and cannot press it", await page.getByRole("button", { name: /^Approve/ }).isDisabled());
  await page.getByLabel("Say something").fill("For the sale, until Monday.");
  await press(page, "Comment");
  await shows(page.locator("main li"), "For the sale", "what is said stands there");
  const path = new URL(page.url()).pathname;
  await open(page, "/settings");
  await shows(page.locator("main .empty"), /may not|scope|admin/, "what an editor may not see says so");
  await shot(page, "settings-of-an-editor");
  return path;
}

async function approve(page, link, path) {
  await page.goto(link, { waitUntil: "domcontentloaded" });
  await page.locator("main h1.sentence").first().waitFor(WAIT);
  await open(page, "/proposals");
  await page.locator(`main a[href="${path}"]`).first().click();
  await page.getByRole("button", { name: /^Approve/ }).click(WAIT);
  await shows(told(page), /in effect as revision \d+/, "ana's approval puts it into effect");
  await shows(page.locator(".paths tr"), "disabled", "the proposal still says what it changed");
  await page.getByRole("link", { name: /^See revision/ }).click(WAIT);
  await shows(page.locator("main"), "approved by ana", "its revision says who approved it");
  await open(page, "/revisions?actor=ben");
  await shows(page.locator("table.events tbody tr"), "approved by ana", "so does the audit of what ben did");
  await open(page, "/flags/dark-mode");
  await shows(page.locator("h1"), "It is off", "and the flag is off");
}

async function feature(page) {
  await open(page, "/f/support");
  await page.getByRole("textbox", { name: "user" }).fill("user-9");
  await press(page, "Explain");
  await shows(page.locator(".steps .step-last"), /./, "a feature is explained as well");
}

async function walk() {
  let links = {};
  const said = [];
  said.push(
    ...(await withBrowser(DESKTOP_LIGHT, async (page) => {
      await open(page, `/#k=${encodeURIComponent(options.key)}`);
      await flags(page);
      await explain(page);
      await change(page);
      await artifact(page);
      await feature(page);
      await revert(page);
      links = await people(page);
      await environments(page);
    })),
  );
  let path = "";
  said.push(
    ...(await withBrowser(DESKTOP_LIGHT, async (page) => {
      path = await ask(page, links.ben);
    })),
  );
  said.push(...(await withBrowser(DESKTOP_LIGHT, (page) => approve(page, links.ana, path))));
  // The browser reports by itself the broken definition, and what an editor may not see.
  const unasked = said.filter((text) => !/status of (422|403)/.test(text));
  check("nothing complained on the way", unasked.length === 0, unasked.slice(0, 3).join(" | "));
  return links;
}

const keyOf = (link) => decodeURIComponent(link.split("#k=")[1]);

const VIEWS = [
  ["desktop", { viewport: DESKTOP_WIDE, dark: false }],
  ["desktop-dark", { viewport: DESKTOP_WIDE, dark: true }],
  ["phone", { viewport: PHONE, dark: false }],
  ["phone-dark", { viewport: PHONE, dark: true }],
];

/** Every page at every width, in light and dark, with nothing sticking out. */
async function look(proposal) {
  const pages = [
    ["overview", "/"],
    ["flags", "/flags"],
    ["flag", "/flags/search-ranker"],
    ["flag-off", "/flags/dark-mode"],
    ["flag-object", "/flags/checkout-limits"],
    [
      "flag-long",
      "/flags/the-flag-with-the-longest-name-that-anybody-has-come-up-with-so-far-in-this-organisation-and-beyond",
    ],
    ["artifacts", "/artifacts"],
    ["artifact", "/artifacts/system_prompt/support"],
    ["feature", "/f/support"],
    ["interactions", "/interactions"],
    ["proposals", "/proposals"],
    ["proposal", `/p/${proposal}`],
    ["proposal-applied", "/p/1"],
    ["revisions", "/revisions"],
    ["revision", "/revisions/4"],
    ["settings", "/settings"],
    ["setup", "/setup"],
  ];
  for (const [view, how] of VIEWS) {
    const complaints = await withBrowser(how, async (page) => {
      await open(page, `/#k=${encodeURIComponent(options.key)}`);
      for (const [name, path] of pages) {
        await open(page, path);
        await settled(page);
        // Against the width that was asked for: a phone widens its window to what sticks out.
        const inside = await page.evaluate(() => document.documentElement.scrollWidth);
        check(`${view}: ${name} fits the screen`, inside <= how.viewport.width, `${inside} px wide`);
        await shot(page, `${view}-${name}`);
      }
    });
    check(`${view}: nothing complained`, complaints.length === 0, complaints.slice(0, 3).join(" | "));
  }
}

/** Until nothing on the page is still being read. */
async function settled(page) {
  await page.waitForFunction(
    () =>
      ![...document.querySelectorAll("main .empty")].some((one) => one.textContent?.startsWith("Reading ")),
    undefined,
    WAIT,
  );
}

/** What a page says when there is nothing yet. */
async function bare() {
  const complaints = await withBrowser(VIEWS[2][1], async (page) => {
    await open(page, `/#k=${encodeURIComponent(options.key)}`);
    for (const name of ["flags", "artifacts", "proposals", "revisions", "settings"]) {
      await open(page, `/${name}`);
      await settled(page);
      check(`with nothing there, ${name} says how to begin`, (await page.locator("main .empty").count()) > 0);
      await shot(page, `bare-${name}`);
    }
  });
  check(
    "with nothing there, nothing complained",
    complaints.length === 0,
    complaints.slice(0, 3).join(" | "),
  );
}

await bare();
await seed(api(options.base, options.key));
const links = await walk();
const [ana, ben] = [links.ana, links.ben].map((link) => api(options.base, keyOf(link)));
await look(await propose(ben, ana));
console.log(`${failures.length} failed`);
process.exit(failures.length === 0 ? 0 : 1);
