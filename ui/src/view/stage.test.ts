// Cases of a rollout's segments and marks. Refuses to draw.

import { describe, expect, it } from "vitest";
import type { RolloutView, StageStatus, StageView } from "../api/model";
import { segments, stageMarks } from "./stage";

const HOUR = 3_600_000;

function stage(kind: StageView["kind"], status: StageStatus): StageView {
  return {
    kind,
    status,
    share_ppm: 50_000,
    units_min: 300,
    min_ms: HOUR,
    max_ms: 9 * HOUR,
    category_units_min: 0,
  };
}

function view(given: Partial<RolloutView>): RolloutView {
  const stages = [stage("canary", "done"), stage("ab", "current"), stage("full", "next")];
  return {
    key: "support-1",
    phase: "running",
    stage: { index: 1, kind: "ab", share_ppm: 500_000, age_ms: HOUR / 2 },
    stages,
    change: [],
    sentence: "",
    e_limit: 20,
    spec: {} as RolloutView["spec"],
    evidence: { stage_matured: { candidate: 75, control: 80 } } as RolloutView["evidence"],
    ...given,
  };
}

describe("segments", () => {
  it("has the four usual ones, those not declared skipped", () => {
    expect(segments(view({})).map(({ label, status }) => [label, status])).toEqual([
      ["shadow", "skipped"],
      ["canary", "done"],
      ["A/B", "current"],
      ["full", "next"],
    ]);
  });

  it("fills the present one by the slower of its minima", () => {
    const current = segments(view({}))[2];
    expect(current?.filled).toBe(0.25);
    expect(current?.detail).toBe("30 min of at least 1 h, 75 of 300 units");
  });

  it("says of one that a withdrawn change never came to that it was not reached", () => {
    const stages = [stage("canary", "current"), stage("ab", "skipped")];
    const back = view({ phase: "rolled_back", stages });
    expect(segments(back).map(({ detail }) => detail)).toContain("not reached");
  });
});

describe("stageMarks", () => {
  it("marks every stage that was entered after the first", () => {
    const stages = [
      { ...stage("canary", "done"), entered_at: 20 },
      { ...stage("ab", "current"), entered_at: 50 },
      { ...stage("full", "next"), entered_at: null },
    ];
    expect(stageMarks(view({ stages }))).toEqual([{ at: 50, label: "A/B" }]);
  });

  it("marks the end of a change that was taken back", () => {
    const back = { rolled_back_at: 99 } as NonNullable<RolloutView["rolled_back"]>;
    expect(stageMarks(view({ rolled_back: back }))).toEqual([{ at: 99, label: "taken back" }]);
  });
});
