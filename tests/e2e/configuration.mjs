// The configuration screens on the real binary with an empty data directory, walked through in a browser as three people would.
// Knows nothing of the screens: ui/e2e/configuration.mjs does.
//
//   SERINUS_BIN=target/release/serinus CHROMIUM=/usr/bin/chromium node tests/e2e/configuration.mjs

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const BINARY = resolve(process.env.SERINUS_BIN ?? join(ROOT, "target/release/serinus"));
const READY_MS = 30_000;

const data = mkdtempSync(join(tmpdir(), "serinus-e2e-"));
const server = spawn(BINARY, ["serve", "--port", "0", "--data", data], { stdio: ["ignore", "ignore", "inherit"] });

/** What stands in a file of the data directory, as soon as it is there. */
async function written(name) {
  const end = Date.now() + READY_MS;
  while (!existsSync(join(data, name))) {
    if (server.exitCode !== null || Date.now() > end) throw new Error(`the server wrote no ${name}`);
    await new Promise((done) => setTimeout(done, 50));
  }
  return readFileSync(join(data, name), "utf8").trim();
}

let code = 1;
try {
  const base = await written("address");
  const key = await written("admin.token");
  const shots = join(ROOT, "target/screenshots/configuration");
  const walk = spawn("node", ["e2e/configuration.mjs", "--base", base, "--key", key, "--shots", shots], {
    cwd: join(ROOT, "ui"),
    stdio: "inherit",
  });
  code = await new Promise((done) => walk.on("exit", (status) => done(status ?? 1)));
} finally {
  server.kill("SIGTERM");
  await new Promise((done) => (server.exitCode === null ? server.on("exit", done) : done()));
  rmSync(data, { recursive: true, force: true });
}
process.exit(code);
