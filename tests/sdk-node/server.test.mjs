// The official OpenFeature server SDK for Node with its OFREP provider, unchanged. Looks only at what an application sees.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { OFREPProvider } from "@openfeature/ofrep-provider";
import { ErrorCode, OpenFeature, StandardResolutionReasons as Reasons } from "@openfeature/server-sdk";

import { start } from "./world.mjs";

let world, flags;
const somebody = (more) => ({ targetingKey: "session-1", ...more });

before(async () => {
  world = await start();
  await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: world.base, headers: world.headers }));
  flags = OpenFeature.getClient();
});

after(async () => {
  await OpenFeature.close();
  await world.stop();
});

test("values of every kind", async () => {
  assert.equal(await flags.getBooleanValue("dark-mode", false, somebody()), true);
  assert.equal(await flags.getStringValue("banner", "none", somebody()), "Welcome");
  assert.equal(await flags.getNumberValue("ratio", 0, somebody()), 2.5);
  assert.equal(await flags.getNumberValue("limit", 0, somebody()), 42);
  assert.deepEqual(await flags.getObjectValue("theme", {}, somebody()), { colour: "blue", depth: 2 });
});

test("details and metadata", async () => {
  const details = await flags.getBooleanDetails("dark-mode", false, somebody());
  assert.equal(details.variant, "on");
  assert.equal(details.reason, Reasons.STATIC);
  assert.equal(details.flagMetadata.flagSetId, "production");
  assert.equal(typeof details.flagMetadata.version, "string");
});

test("rules, splits and no context at all", async () => {
  const gold = await flags.getBooleanDetails("beta", false, somebody({ plan: "gold" }));
  assert.deepEqual([gold.value, gold.reason], [true, Reasons.TARGETING_MATCH]);
  const other = await flags.getBooleanDetails("beta", true, {});
  assert.deepEqual([other.value, other.reason], [false, Reasons.DEFAULT]);
  const split = await flags.getStringDetails("split", "?", somebody());
  assert.equal(split.reason, Reasons.SPLIT);
  const keyless = await flags.getStringDetails("split", "mine", {});
  assert.deepEqual([keyless.value, keyless.errorCode], ["mine", ErrorCode.TARGETING_KEY_MISSING]);
});

test("defaults and errors", async () => {
  const absent = await flags.getStringDetails("absent", "mine", somebody());
  assert.deepEqual([absent.value, absent.errorCode], ["mine", ErrorCode.FLAG_NOT_FOUND]);
  const slashed = await flags.getStringDetails("a/b%20c", "mine", somebody());
  assert.deepEqual([slashed.value, slashed.errorCode], ["mine", ErrorCode.FLAG_NOT_FOUND]);
  const wrong = await flags.getBooleanDetails("banner", true, somebody());
  assert.deepEqual([wrong.value, wrong.errorCode], [true, ErrorCode.TYPE_MISMATCH]);
  // This release takes an answer without a value for an error and uses the default, which is what a disabled flag asks for.
  assert.equal(await flags.getStringValue("gone", "mine", somebody()), "mine");
});

test("a feature is an object", async () => {
  const details = await flags.getObjectDetails("support", {}, somebody());
  assert.equal(details.errorCode, undefined);
  assert.deepEqual([details.variant, details.value.model, details.value.refs.model], ["control", "steady", "model/steady@1"]);
});

test("without a token nothing is evaluated", async () => {
  const bare = new OFREPProvider({ baseUrl: world.base });
  await OpenFeature.setProviderAndWait("bare", bare);
  const details = await OpenFeature.getClient("bare").getBooleanDetails("dark-mode", false, somebody());
  assert.equal(details.value, false);
  assert.ok(details.errorCode, "an error is reported");
});
