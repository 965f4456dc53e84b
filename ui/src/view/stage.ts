// The four segments of a rollout: which are done, where it is, how full the present one is. Refuses to know time of day.

import type { RolloutView, StageKind, StageStatus, StageView } from "../api/model";
import { plural, share } from "./number";
import { span } from "./span";

export const KINDS: readonly StageKind[] = ["shadow", "canary", "ab", "full"];

const LABELS: Record<StageKind, string> = { shadow: "shadow", canary: "canary", ab: "A/B", full: "full" };

export type Segment = {
  kind: StageKind;
  label: string;
  status: StageStatus;
  share: string;
  detail: string;
  /** The filled part of the present segment, 0 to 1. */
  filled: number;
};

/** The name of a stage. */
export function stageLabel(kind: StageKind): string {
  return LABELS[kind];
}

/** A rollout's stages, the four usual ones at least; one that it does not have is skipped. */
export function segments(view: RolloutView): Segment[] {
  const declared = view.stages.map((stage, index) => ({ stage, index }));
  const missing = KINDS.filter((kind) => !declared.some(({ stage }) => stage.kind === kind));
  const skipped: Segment[] = missing.map((kind) => ({
    kind,
    label: LABELS[kind],
    status: "skipped",
    share: "",
    detail: "skipped",
    filled: 0,
  }));
  const own = declared.map(({ stage }): Segment => {
    const matured = maturedOf(view, stage.kind);
    const current = stage.status === "current";
    const age = view.stage?.age_ms ?? 0;
    return {
      kind: stage.kind,
      label: LABELS[stage.kind],
      status: stage.status,
      share: share(stage.share_ppm),
      detail: detailOf(view, stage, current, age, matured),
      filled: current ? filled(age, matured, stage) : stage.status === "done" ? 1 : 0,
    };
  });
  return [...skipped, ...own].sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind));
}

function detailOf(
  view: RolloutView,
  stage: StageView,
  current: boolean,
  age: number,
  matured: number,
): string {
  if (current) return currentDetail(age, matured, stage);
  if (stage.status === "skipped") return view.phase === "rolled_back" ? "not reached" : "skipped";
  return `${unitsText(stage)}, at least ${span(stage.min_ms)}`;
}

type Minima = { kind: StageKind; units_min: number; min_ms: number };

function maturedOf(view: RolloutView, kind: StageKind): number {
  if (kind === "shadow") return view.evidence?.shadow?.pairs ?? 0;
  return view.evidence?.stage_matured.candidate ?? 0;
}

function unitsText(stage: Minima): string {
  return plural(stage.units_min, stage.kind === "shadow" ? "pair" : "unit");
}

function currentDetail(ageMs: number, matured: number, stage: Minima): string {
  return `${span(ageMs)} of at least ${span(stage.min_ms)}, ${matured} of ${unitsText(stage)}`;
}

/** Both minima must be met, so the slower one tells how far the stage is. */
function filled(ageMs: number, matured: number, stage: Minima): number {
  const part = (have: number, want: number) => (want <= 0 ? 1 : Math.min(1, have / want));
  return Math.min(part(ageMs, stage.min_ms), part(matured, stage.units_min));
}

/** When a rollout moved or stopped, for the charts. Its first stage begins with the chart itself. */
export function stageMarks(view: RolloutView): { at: number; label: string }[] {
  const moved = view.stages
    .slice(1)
    .flatMap(({ kind, entered_at: at }) => (typeof at === "number" ? [{ at, label: LABELS[kind] }] : []));
  const back = view.rolled_back ? [{ at: view.rolled_back.rolled_back_at, label: "taken back" }] : [];
  return [...moved, ...back];
}
