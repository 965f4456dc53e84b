// Cases of the forest plot's rows. Refuses to draw.

import { describe, expect, it } from "vitest";
import type { GuardrailEvidence } from "../api/model";
import { forest, normalised, position, tolerated } from "./forest";

type Given = Partial<Omit<GuardrailEvidence, "effect">> & { effect?: Partial<GuardrailEvidence["effect"]> };

function guardrail({ effect, ...given }: Given): GuardrailEvidence {
  return {
    metric: "error_rate",
    clock: "fast",
    limit: { worse_by: { relative_ppm: 0, absolute_ppm: 10_000 } },
    margin: 0.01,
    weight: 0.2,
    action: "roll_back",
    headline: false,
    trust: "full",
    log_e: 0,
    log_e_max: 0,
    non_inferior: false,
    control_breaches: false,
    blamed: false,
    ...given,
    effect: {
      candidate_units: 100,
      control_units: 900,
      candidate_mean: 0.02,
      control_mean: 0.01,
      difference: 0.01,
      lower: -0.01,
      upper: 0.03,
      ...effect,
    },
  };
}

describe("normalised", () => {
  it("measures in margins, harm to the right", () => {
    expect(normalised(guardrail({}))).toEqual({ estimate: 1, lower: -1, upper: 3 });
  });

  it("turns a metric around of which less is harm", () => {
    const quality = guardrail({
      metric: "quality",
      margin: 0.02,
      effect: { difference: -0.04, lower: -0.06, upper: 0.02 },
    });
    expect(normalised(quality)).toEqual({ estimate: 2, lower: -1, upper: 3 });
  });

  it("draws nothing without units in both arms", () => {
    expect(normalised(guardrail({ effect: { candidate_units: 0 } }))).toBeNull();
    expect(normalised(guardrail({ effect: { control_units: 0 } }))).toBeNull();
  });

  it("draws nothing without a margin", () => expect(normalised(guardrail({ margin: 0 }))).toBeNull());

  it("measures an absolute limit from control", () => {
    const limited = guardrail({ limit: { worse_than: { limit_ppm: 30_000 } }, margin: 0.03 });
    expect(tolerated(limited)).toBeCloseTo(0.02);
    const breached = guardrail({ limit: { worse_than: { limit_ppm: 5_000 } }, margin: 0.005 });
    expect(tolerated(breached)).toBeNull();
  });
});

describe("forest", () => {
  it("puts tiers, metrics and categories worst first, and opens what hurts", () => {
    const tiers = forest([
      guardrail({ metric: "error_rate", log_e: 0.5 }),
      guardrail({ metric: "cost", log_e: 1.2, action: "hold" }),
      guardrail({ metric: "invalid_output", log_e: 0.1 }),
      guardrail({ metric: "invalid_output", category: "delivery", log_e: 0.2 }),
      guardrail({ metric: "invalid_output", category: "billing", log_e: 4, blamed: true }),
      guardrail({ metric: "quality", log_e: -1 }),
    ]);
    expect(tiers.map(({ tier }) => tier)).toEqual(["behavioural", "computational", "semantic"]);
    expect(tiers[1]?.metrics.map(({ row }) => row.metric)).toEqual(["cost", "error_rate"]);
    const [invalid] = tiers[0]?.metrics ?? [];
    expect(invalid?.categories.map(({ category }) => category)).toEqual(["billing", "delivery"]);
    expect(invalid?.hurts).toBe(true);
    expect(tiers[2]?.metrics[0]?.hurts).toBe(false);
  });

  it.each<[string, Given, string, string]>([
    ["blame", { blamed: true, log_e: 9 }, "blamed", "blamed"],
    ["a sick control", { control_breaches: true, log_e: 9 }, "common", "control breaches it too"],
    ["evidence", { log_e: Math.log(5) }, "raised", "evidence of harm"],
    ["a proof", { non_inferior: true }, "within", "within its margin"],
    ["no units", { effect: { candidate_units: 0 } }, "empty", "no data yet"],
    ["a need", { units_needed: 1234 }, "open", "not established, about 1,234 more units"],
    ["one unit", { units_needed: 1 }, "open", "not established, about 1 more unit"],
    ["an unknown need", {}, "open", "not established"],
  ])("says of %s", (_, given, state, verdict) => {
    const row = forest([guardrail(given)])[0]?.metrics[0]?.row;
    expect([row?.state, row?.verdict]).toEqual([state, verdict]);
  });

  it("keeps two guardrails on one metric apart", () => {
    const tiers = forest([
      guardrail({ metric: "error_rate" }),
      guardrail({ metric: "error_rate", limit: { worse_than: { limit_ppm: 30_000 } }, margin: 0.03 }),
    ]);
    expect(new Set(tiers[0]?.metrics.map(({ row }) => row.id)).size).toBe(2);
  });
});

describe("position", () => {
  it.each([
    [0, 50],
    [3, 100],
    [-3, 0],
    [1e300, 100],
    [-1e300, 0],
  ])("of %d margins is %d%%", (margins, percent) => expect(position(margins)).toBe(percent));
});
