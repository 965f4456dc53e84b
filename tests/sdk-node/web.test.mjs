// The official web SDK with its OFREP provider and the React SDK, unchanged, on stand-ins for what browsers have: EventSource, localStorage
// and a document. Proves what a page sees, and by the proxy's notes what went over the wire.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { EventSource } from "eventsource";
import { JSDOM } from "jsdom";

import { start, until } from "./world.mjs";

const dom = new JSDOM("<!doctype html><div id=root></div>", { url: "http://app.example.com", pretendToBeVisual: true });
for (const [name, value] of Object.entries({
  window: dom.window, document: dom.window.document, localStorage: dom.window.localStorage, navigator: dom.window.navigator, EventSource, IS_REACT_ACT_ENVIRONMENT: false,
})) {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}
const { OFREPWebProvider } = await import("@openfeature/ofrep-web-provider");
const { ErrorCode, OpenFeature, ProviderEvents } = await import("@openfeature/web-sdk");
const React = (await import("react")).default;
const { createRoot } = await import("react-dom/client");
const { OpenFeatureProvider, useBooleanFlagValue } = await import("@openfeature/react-sdk");

const BULK = "/ofrep/v1/evaluate/flags";
let world, flags;

const bulks = () => world.seen.filter((entry) => entry.path === BULK && entry.method === "POST" && entry.status);
const streams = () => world.seen.filter((entry) => entry.path === "/ofrep/v1/events");
const connected = () => until(() => streams().some((entry) => entry.status === 200), "a stream is open");

before(async () => {
  world = await start();
  await OpenFeature.setContext({ targetingKey: "session-1", plan: "silver" });
  await OpenFeature.setProviderAndWait(new OFREPWebProvider({ baseUrl: world.base, headers: world.headers }));
  flags = OpenFeature.getClient();
  await connected();
});

after(async () => {
  await OpenFeature.close();
  await world.stop();
  dom.window.close();
});

test("values of every kind, defaults and errors", () => {
  assert.equal(flags.getBooleanValue("dark-mode", false), true);
  assert.equal(flags.getStringValue("banner", "none"), "Welcome");
  assert.equal(flags.getNumberValue("ratio", 0), 2.5);
  assert.deepEqual(flags.getObjectValue("theme", {}), { colour: "blue", depth: 2 });
  assert.equal(flags.getObjectDetails("support", {}).value.model, "steady");
  const absent = flags.getStringDetails("absent", "mine");
  assert.deepEqual([absent.value, absent.errorCode], ["mine", ErrorCode.FLAG_NOT_FOUND]);
  const wrong = flags.getBooleanDetails("banner", true);
  assert.deepEqual([wrong.value, wrong.errorCode], [true, ErrorCode.TYPE_MISMATCH]);
});

test("another attribute is another answer, and the same again is a 304", async () => {
  await OpenFeature.setContext({ targetingKey: "session-1", plan: "gold" });
  // The provider serves what it has kept under the key, and fetches beside it.
  await until(() => flags.getBooleanValue("beta", false), "the answer to the new attribute");
  const first = bulks().at(-1);
  assert.equal(first.status, 200);
  const before = bulks().length;
  await OpenFeature.setContext({ targetingKey: "session-1", plan: "gold" });
  await until(() => bulks().length > before, "another fetch");
  const second = bulks().at(-1);
  assert.deepEqual([second.status, second.headers["if-none-match"]], [304, first.answer.etag]);
  assert.equal(second.answer.etag, first.answer.etag);
});

test("a flipped flag reaches the page within a second, without polling", async () => {
  await connected();
  const [stream] = streams();
  assert.equal(stream.headers.authorization, undefined);
  assert.ok(!stream.query.includes(world.secret), "the stream's address holds no API key");
  let told = 0;
  flags.addHandler(ProviderEvents.ConfigurationChanged, () => (told += 1));
  const took = await flip(false);
  assert.ok(took < 1000, `${took} ms`);
  assert.ok(told > 0, "the application is told");
  assert.match(bulks().at(-1).query, /flagConfigEtag=%22cfg-\d+%22/);
  assert.ok((await flip(true)) < 1000);
  assert.equal(new Set(streams().map((entry) => entry.query)).size, 1, "the address never changes");
});

test("a rollback reaches a bulk client", async () => {
  const half = [{ kind: "ab", share_ppm: 1_000_000, units_min: 1_000_000, min_ms: 0 }];
  const { rollout } = await world.call("POST", "/rollouts", { change: { support: { model: "model/fresh@1" } }, stages: half });
  const model = () => flags.getObjectDetails("support", {}).value.model;
  await until(() => model() === "fresh", "the candidate");
  const began = Date.now();
  await world.call("POST", "/rollback", { subject: "support", reach: "next_turn", message: "test" });
  await until(() => model() === "steady", `the rollback of ${JSON.stringify(rollout)}`);
  assert.ok(Date.now() - began < 2000, `${Date.now() - began} ms`);
});

test("a React component renders anew", async () => {
  const shown = () => document.getElementById("root").textContent;
  const Badge = () => React.createElement("b", null, useBooleanFlagValue("dark-mode", false) ? "dark" : "light");
  const root = createRoot(document.getElementById("root"));
  root.render(React.createElement(OpenFeatureProvider, null, React.createElement(Badge)));
  await until(() => shown() === "dark", "the first rendering");
  await world.flag("dark-mode", false);
  const took = await until(() => shown() === "light", "the second rendering");
  assert.ok(took < 1000, `${took} ms`);
  await world.flag("dark-mode", true);
  await until(() => shown() === "dark", "the third rendering");
  root.unmount();
});

test("the server ends its streams when it stops", async () => {
  const began = Date.now();
  const ended = new Promise((resolve) => world.server.once("exit", resolve));
  world.server.kill("SIGTERM");
  await ended;
  assert.ok(Date.now() - began < 10_000, `${Date.now() - began} ms`);
  assert.equal(flags.getBooleanValue("dark-mode", false), true, "and the page keeps its values");
});

async function flip(on) {
  const began = Date.now();
  await world.flag("dark-mode", on);
  await until(() => flags.getBooleanValue("dark-mode", !on) === on, `dark-mode is ${on}`);
  return Date.now() - began;
}
