// Cases of numbers, metrics, fuse, sentences, commands and diffs as text. Refuses to draw.

import { describe, expect, it } from "vitest";
import type { ArmSummary, Phase } from "../api/model";
import { actionsFor } from "./action";
import { categoryRows } from "./category";
import { asText, wordDiff, wordsChanged } from "./diff";
import { burned, fuseState } from "./fuse";
import { excerpt, turns } from "./interaction";
import { differenceText, intervalText, limitText } from "./metric";
import { evidence, latency, percent, points, share, usd } from "./number";
import { placeOf } from "./place";
import { activationText, overviewSentence, reachText } from "./sentence";

describe("numbers", () => {
  it.each<[string, string]>([
    [percent(0.0621), "6.2%"],
    [percent(0.0052), "0.52%"],
    [percent(1), "100%"],
    [percent(0), "0%"],
    [share(50_000), "5%"],
    [share(2_500), "0.25%"],
    [points(0.057), "+5.7 pt"],
    [points(-0.0008), "\u22120.08 pt"],
    [points(-0.0000001), "0.00 pt"],
    [usd(120), "$0.000120"],
    [usd(1_250_000), "$1.25"],
    [latency(310.4), "310 ms"],
    [latency(1_240), "1.24 s"],
    [evidence(0.839), "0.84"],
    [evidence(0.001), "< 0.01"],
    [evidence(24.71), "24.7"],
    [evidence(1e6), "\u2265 1,000,000"],
  ])("%s is %s", (made, wanted) => expect(made).toBe(wanted));
});

describe("metrics", () => {
  it.each<[string, string]>([
    [differenceText("quality", -0.021), "\u22122.1 pt"],
    [differenceText("output_tokens", -61), "\u221261"],
    [differenceText("cost", 14), "+$0.0140"],
    [differenceText("error_rate", 1e300), "+\u221e"],
    [intervalText("error_rate", 0.044, 0.071), "+4.4 to +7.1 pt"],
    [intervalText("error_rate", -1e300, 0.071), "\u2212\u221e to +7.1 pt"],
    [limitText({ worse_by: { relative_ppm: 250_000, absolute_ppm: 10_000 } }), "worse by 1.25x or 1 pt"],
    [limitText({ worse_than: { limit_ppm: 30_000 } }), "worse than 3%"],
    [limitText({ worse_by: { relative_ppm: 0, absolute_ppm: 0 } }), "worse at all"],
  ])("%s is %s", (made, wanted) => expect(made).toBe(wanted));
});

describe("fuse", () => {
  it.each([
    [0, 0, "calm"],
    [1, 0, "calm"],
    [2, 0.231, "smouldering"],
    [5, 0.537, "holding"],
    [20, 1, "burnt"],
    [1e6, 1, "burnt"],
    [Number.NaN, 0, "calm"],
  ])("at %d has burned %d and is %s", (e, part, state) => {
    expect(burned(e)).toBeCloseTo(part, 2);
    expect(fuseState(e)).toBe(state);
  });
});

describe("sentences", () => {
  const need = { subject: "a", sentence: "b", commands: ["c"] };
  it.each<[string, string]>([
    [overviewSentence([]), "Nothing needs you."],
    [overviewSentence([need]), "1 needs you."],
    [overviewSentence([need, need]), "2 need you."],
    [
      activationText(189, {
        clients: { connected: 0, active: 0 },
        nodes: 1,
        active: 1,
        after_ms: 2,
        laggards: [],
      }),
      "revision 189, in effect on 1 of 1 nodes after 2 ms",
    ],
    [
      activationText(189, {
        clients: { connected: 0, active: 0 },
        nodes: 37,
        active: 36,
        after_ms: 84,
        laggards: ["eu-4"],
      }),
      "revision 189, in effect on 36 of 37 nodes after 84 ms",
    ],
    [activationText(null, null), "no new revision"],
    [reachText("next_turn", 61), "every session at its next turn: 61 open sessions"],
    [reachText("new_sessions", 1), "new sessions; open ones end as they began: 1 open session"],
  ])("%s", (made, wanted) => expect(made).toBe(wanted));
});

describe("commands", () => {
  it.each<[Phase, boolean, string[]]>([
    ["running", false, ["rollback", "hold", "advance"]],
    ["held", false, ["rollback", "resume", "advance"]],
    ["completed", false, ["rollback"]],
    ["rolled_back", false, ["rearm"]],
    ["rolled_back", true, []],
    ["cancelled", false, []],
  ])("of a %s rollout (rearmed: %s) are %s", (phase, rearmed, verbs) => {
    expect(actionsFor(phase, rearmed).map(({ verb }) => verb)).toEqual(verbs);
  });
});

describe("places", () => {
  const known = { rollouts: [{ key: "support-1" }], features: [{ key: "support" }] };
  it.each([
    ["support-1", "/r/support-1"],
    ["support", "/f/support"],
    ["feature/support rule 2", "/f/support"],
    ["node-a", null],
  ])("of %s is %s", (subject, place) => expect(placeOf(subject, known)).toBe(place));
  it("are unknown before anything is known", () => expect(placeOf("support", undefined)).toBeNull());
});

describe("categories", () => {
  const arm = (name: ArmSummary["arm"], categories: [string, number, number][]): ArmSummary => ({
    arm: name,
    units: 0,
    interactions: 0,
    errors: 0,
    judged: 0,
    thumbs_up: 0,
    thumbs_down: 0,
    categories: categories.map(([category, quality_mean, judged]) => ({
      category,
      interactions: judged,
      quality_mean,
      judged,
    })),
  });

  it("colours only what it has enough of, and puts trouble first", () => {
    const rows = categoryRows([
      arm("control", [
        ["level", 0.8, 90],
        ["rare", 0.8, 90],
        ["sick", 0.8, 90],
        ["well", 0.8, 90],
        ["alone", 0.8, 90],
      ]),
      arm("candidate", [
        ["level", 0.81, 90],
        ["rare", 0.1, 29],
        ["sick", 0.6, 30],
        ["well", 0.9, 90],
      ]),
    ]);
    expect(rows.map(({ category, tone }) => [category, tone])).toEqual([
      ["sick", "worse"],
      ["level", "level"],
      ["well", "better"],
      ["alone", "unknown"],
      ["rare", "unknown"],
    ]);
  });
});

describe("texts", () => {
  it("are cut at a word", () => expect(excerpt("one two  three four", 10)).toBe("one two\u2026"));
  it("are left whole where they fit", () => expect(excerpt(" a\nb ", 10)).toBe("a b"));

  it("are read out of messages in parts", () => {
    expect(
      turns([
        { role: "user", content: [{ type: "text", text: "hello" }] },
        { role: "system", content: "be brief" },
      ]),
    ).toEqual([
      { role: "user", text: "hello" },
      { role: "system", text: "be brief" },
    ]);
  });

  it("are compared by word", () => {
    const pieces = wordDiff("be kind and thorough", "be brief");
    expect(wordsChanged(pieces)).toBe("+1 \u22123 words");
    expect(
      pieces
        .filter(({ kind }) => kind !== "removed")
        .map(({ text }) => text)
        .join(""),
    ).toBe("be brief");
  });

  it("tell neighbouring changes as one phrase", () => {
    expect(wordDiff("say it in full words now", "say it now")).toEqual([
      { kind: "same", text: "say it " },
      { kind: "removed", text: "in full words " },
      { kind: "same", text: "now" },
    ]);
    expect(wordDiff("be kind and thorough.", "be brief and clear.").map(({ kind }) => kind)).toEqual([
      "same",
      "removed",
      "added",
      "same",
      "removed",
      "added",
      "same",
    ]);
    expect(wordDiff("a b c d", "a x y d")).toEqual([
      { kind: "same", text: "a " },
      { kind: "removed", text: "b c" },
      { kind: "added", text: "x y" },
      { kind: "same", text: " d" },
    ]);
  });

  it("of artifacts do not depend on the order of keys", () => {
    expect(asText({ b: 1, a: { d: 2, c: 3 } })).toBe(asText({ a: { c: 3, d: 2 }, b: 1 }));
    expect(asText({ text: "hello" })).toBe("hello");
  });
});
