// The arms by category, with what may be said about each. Refuses to colour what it has too little of.

import type { ArmSummary, CategorySummary } from "../api/model";

/** Judged answers in each arm below which a category stays grey. */
export const JUDGED_MIN = 30;
/** A difference of mean quality that is worth a colour: the default margin. */
const QUALITY_STEP = 0.02;

export type CategoryTone = "unknown" | "level" | "worse" | "better";

export type CategoryRow = {
  category: string;
  control: CategorySummary | null;
  candidate: CategorySummary | null;
  difference: number | null;
  tone: CategoryTone;
};

/** A row per category that either arm has met, most trouble first, unknown ones last. */
export function categoryRows(arms: readonly ArmSummary[]): CategoryRow[] {
  const of = (arm: ArmSummary["arm"]) => arms.find((summary) => summary.arm === arm)?.categories ?? [];
  const [control, candidate] = [of("control"), of("candidate")];
  const names = [...new Set([...control, ...candidate].map(({ category }) => category))];
  const find = (list: readonly CategorySummary[], name: string) =>
    list.find(({ category }) => category === name) ?? null;
  return names
    .map((name) => toRow(name, find(control, name), find(candidate, name)))
    .sort((a, b) => order(a) - order(b) || a.category.localeCompare(b.category));
}

function toRow(
  category: string,
  control: CategorySummary | null,
  candidate: CategorySummary | null,
): CategoryRow {
  const [before, after] = [control?.quality_mean, candidate?.quality_mean];
  const difference = typeof before === "number" && typeof after === "number" ? after - before : null;
  const judged = Math.min(control?.judged ?? 0, candidate?.judged ?? 0);
  return { category, control, candidate, difference, tone: toneOf(difference, judged) };
}

function toneOf(difference: number | null, judged: number): CategoryTone {
  if (difference === null || judged < JUDGED_MIN) return "unknown";
  if (difference <= -QUALITY_STEP) return "worse";
  return difference >= QUALITY_STEP ? "better" : "level";
}

function order(row: CategoryRow): number {
  return row.tone === "unknown" ? 10 : (row.difference ?? 0);
}
