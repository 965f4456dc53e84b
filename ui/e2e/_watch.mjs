// scratch
import { mkdirSync } from "node:fs";
import { withBrowser, DESKTOP, PHONE } from "./browser.mjs";
const [base, dir, seconds] = process.argv.slice(2);
mkdirSync(dir, { recursive: true });
const seen = new Set();
const j = async (p) => (await fetch(base + "/api/v1" + p)).json();
const end = Date.now() + Number(seconds) * 1000;
const VIEWS = [["d", DESKTOP, false], ["dd", DESKTOP, true], ["p", PHONE, false], ["pd", PHONE, true]];
while (Date.now() < end) {
  let o; try { o = await j("/rollouts"); } catch { await new Promise(r => setTimeout(r, 1000)); continue; }
  for (const r of o.rollouts) {
    const what = `${r.key}-${["running","held"].includes(r.phase) ? r.stage : r.phase}`;
    if (seen.has(what)) continue;
    if (r.phase === "running" && !(r.sentence.startsWith("No harm") || r.sentence.startsWith("Some"))) continue;
    seen.add(what);
    const all = !["running","held"].includes(r.phase) || r.stage === "ab" || r.stage === "shadow";
    for (const [n, viewport, dark] of all ? VIEWS : VIEWS.slice(0, 1)) {
      const c = await withBrowser({ viewport, dark }, async (page) => {
        await page.goto(`${base}/r/${r.key}`); await page.waitForTimeout(1500);
        await page.screenshot({ path: `${dir}/${what}-${n}.png`, fullPage: true });
        if (n === "d" || n === "p") { await page.goto(base + "/"); await page.waitForTimeout(900);
        await page.screenshot({ path: `${dir}/overview-${what}-${n}.png`, fullPage: true }); }
      });
      if (c.length) console.log(what, n, c.slice(0, 3));
    }
    console.log(what);
  }
  await new Promise(r => setTimeout(r, 1000));
}
