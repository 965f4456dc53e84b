// The world of these tests: the real binary (SERINUS_BIN) with flags of every kind, set up over its control API, and a proxy that keeps
// what went over the wire. Knows nothing of the SDKs that are driven against it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const READY_MS = 30_000;

export async function start() {
  const data = mkdtempSync(join(tmpdir(), "serinus-sdk-"));
  const server = spawn(process.env.SERINUS_BIN, [
    "serve", "--port", "0", "--data", data, "--provider", "upstream=http://127.0.0.1:9/v1", "--origin", "http://app.example.com",
  ]);
  let log = "";
  server.stderr.on("data", (text) => (log += text));
  const base = await ready(server, data, () => log);
  const admin = readFileSync(join(data, "admin.token"), "utf8").trim();
  const call = async (method, path, body) => {
    const headers = { authorization: `Bearer ${admin}`, "content-type": "application/json" };
    const answer = await fetch(`${base}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
    const text = await answer.text();
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : null;
  };
  await setUp(call);
  const { secret } = await call("POST", "/tokens", { name: "app", scopes: ["evaluate"] });
  const wire = await proxy(base);
  const stop = async () => {
    wire.close();
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGTERM");
    const code = server.exitCode ?? (await ended);
    rmSync(data, { recursive: true, force: true });
    return code;
  };
  const flag = (key, on, rules) =>
    call("PUT", `/flags/${key}`, { kind: "boolean", variants: { on: true, off: false }, default: on ? "on" : "off", ...rules });
  return { base: wire.base, server, secret, headers: [["Authorization", `Bearer ${secret}`]], call, flag, seen: wire.seen, stop };
}

async function ready(server, data, log) {
  const until = Date.now() + READY_MS;
  const file = join(data, "address");
  while (Date.now() < until) {
    assert.equal(server.exitCode, null, log());
    if (existsSync(file)) {
      const base = readFileSync(file, "utf8").trim();
      const healthy = await fetch(`${base}/healthz`).then((answer) => answer.ok, () => false);
      if (healthy) return base;
    }
    await sleep(50);
  }
  throw new Error(`server is not ready after ${READY_MS} ms: ${log()}`);
}

async function setUp(call) {
  for (const [key, kind, on, off] of [
    ["dark-mode", "boolean", true, false],
    ["banner", "string", "Welcome", ""],
    ["ratio", "number", 2.5, 2],
    ["limit", "number", 42, 1],
    ["theme", "object", { colour: "blue", depth: 2 }, {}],
  ]) {
    await call("PUT", `/flags/${key}`, { kind, variants: { on, off }, default: "on" });
  }
  const gold = { when: { equals: { attribute: "plan", value: "gold" } }, serve: { variant: "on" } };
  await call("PUT", "/flags/beta", { kind: "boolean", variants: { on: true, off: false }, default: "off", rules: [gold] });
  const split = [{ variant: "a", share_ppm: 500_000 }, { variant: "b", share_ppm: 500_000 }];
  await call("PUT", "/flags/split", {
    kind: "string", variants: { a: "a", b: "b" }, default: "a", rules: [{ serve: { split } }],
  });
  await call("PUT", "/flags/gone", { kind: "string", variants: { x: "y" }, default: "x", disabled: true });
  const model = async (name) => {
    const content = { provider: "upstream", model: name };
    return (await call("POST", "/artifacts", { kind: "model", name, content })).reference;
  };
  await call("PUT", "/features/support", { control: { model: await model("steady") }, bucket_by: "session" });
  await model("fresh");
}

// Forwards everything and keeps method, path, headers and status; streams pass through.
async function proxy(target) {
  const seen = [];
  const forward = (request, response) => {
    const url = new URL(request.url, target);
    const entry = { method: request.method, path: url.pathname, query: url.search, headers: request.headers };
    seen.push(entry);
    const upstream = http.request(url, { method: request.method, headers: request.headers }, (answer) => {
      entry.status = answer.statusCode;
      entry.answer = answer.headers;
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    upstream.on("error", () => response.destroy());
    response.on("close", () => upstream.destroy());
    request.pipe(upstream);
  };
  const server = http.createServer(forward);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { base: `http://127.0.0.1:${server.address().port}`, seen, close };
}

// Waits until something holds, and says how long it took.
export async function until(holds, what, most = 5000) {
  const began = Date.now();
  while (Date.now() - began < most) {
    if (await holds()) return Date.now() - began;
    await sleep(10);
  }
  throw new Error(`${what}: not within ${most} ms`);
}
