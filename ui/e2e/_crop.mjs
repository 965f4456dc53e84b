import { withBrowser } from "./browser.mjs";
// node _crop.mjs file w parts -> out: lays a tall picture into columns
const [file, w, h, cols, out] = process.argv.slice(2);
import { readFileSync } from "node:fs";
const data = readFileSync(file).toString("base64");
const W = Number(w), H = Number(h), n = Number(cols);
await withBrowser({ viewport: { width: (W + 12) * n, height: H }, dark: false }, async (page) => {
  await page.setContent(`<body style="margin:0;display:flex;gap:12px;background:#888">${Array.from({ length: n }, (_, i) => `<div style="width:${W}px;height:${H}px;background:url(data:image/png;base64,${data}) 0 -${i * H}px no-repeat"></div>`).join("")}`);
  await page.waitForTimeout(500);
  await page.screenshot({ path: out });
});
