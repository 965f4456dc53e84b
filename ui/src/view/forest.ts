// From guardrails to the rows of the forest plot. Each is measured in its own margins, so that all share one axis: 0 is no
// difference, 1 is the margin, right is harm. Refuses to decide anything; it repeats what the evidence says.

import type { GuardrailEvidence, Metric } from "../api/model";
import { harmSign, TIERS, type Tier, words } from "./metric";
import { plural } from "./number";

/** Margins shown on either side of zero; fixed, so that two rollouts, and two moments of one, compare at a glance. */
export const AXIS_MARGINS = 3;
/** Wealth at which a category is opened without being asked. */
const HURTS_E = 2;
const HOLD_E = 5;

export type RowState = "blamed" | "raised" | "common" | "within" | "open" | "empty";

export type ForestRow = {
  id: string;
  metric: Metric;
  category: string | null;
  guardrail: GuardrailEvidence;
  /** In margins, positive is harm; none where there is nothing to draw. */
  plot: { estimate: number; lower: number; upper: number } | null;
  state: RowState;
  verdict: string;
  e: number;
};

export type ForestMetric = { row: ForestRow; categories: ForestRow[]; hurts: boolean };
export type ForestTier = { tier: Tier; label: string; metrics: ForestMetric[] };

/** How much difference the guardrail tolerates, harm positive; none where that is not known or not positive. */
export function tolerated(guardrail: GuardrailEvidence): number | null {
  const { limit, margin, effect, metric } = guardrail;
  // An absolute limit bounds the candidate's mean: what is left of it above control is what the change may use up.
  const room = "worse_than" in limit ? harmSign(metric) * (margin - effect.control_mean) : margin;
  return Number.isFinite(room) && room > 0 ? room : null;
}

/** An interval in margins, harm to the right. */
export function normalised(guardrail: GuardrailEvidence): ForestRow["plot"] {
  const room = tolerated(guardrail);
  const { effect, metric } = guardrail;
  if (room === null || effect.candidate_units === 0 || effect.control_units === 0) return null;
  const sign = harmSign(metric);
  const [a, b] = [(sign * effect.lower) / room, (sign * effect.upper) / room];
  return { estimate: (sign * effect.difference) / room, lower: Math.min(a, b), upper: Math.max(a, b) };
}

/** The rows of a rollout's forest plot: tiers, their metrics and their categories, each worst first. */
export function forest(guardrails: readonly GuardrailEvidence[]): ForestTier[] {
  const rows = guardrails.map(toRow);
  const metrics = rows
    .filter((row) => row.category === null)
    .map((row) => {
      const categories = rows
        .filter((other) => other.category !== null && sameGuardrail(other, row))
        .sort(worstFirst);
      const hurts = categories.some((category) => category.state === "blamed" || category.e >= HURTS_E);
      return { row, categories, hurts };
    });
  const rank = (metric: ForestMetric) => [metric.row, ...metric.categories].sort(worstFirst)[0] ?? metric.row;
  return TIERS.map(({ tier, label }) => ({
    tier,
    label,
    metrics: metrics
      .filter(({ row }) => words(row.metric).tier === tier)
      .sort((a, b) => worstFirst(rank(a), rank(b))),
  }))
    .filter(({ metrics }) => metrics.length > 0)
    .sort((a, b) => worstFirst(rankOf(a), rankOf(b)));

  function rankOf(tier: ForestTier): ForestRow {
    const [first] = tier.metrics;
    // Tiers without a metric were filtered out above.
    return rank(first as ForestMetric);
  }
}

/** Two guardrails may watch one metric (worse than control, worse than a limit): categories go with their own. */
function sameGuardrail(a: ForestRow, b: ForestRow): boolean {
  return a.metric === b.metric && JSON.stringify(a.guardrail.limit) === JSON.stringify(b.guardrail.limit);
}

function worstFirst(a: ForestRow, b: ForestRow): number {
  const blamed = Number(b.state === "blamed") - Number(a.state === "blamed");
  const weighed = (row: ForestRow) => row.guardrail.log_e + Math.log(Math.max(row.guardrail.weight, 1e-9));
  return blamed || weighed(b) - weighed(a) || a.id.localeCompare(b.id);
}

function toRow(guardrail: GuardrailEvidence): ForestRow {
  const plot = normalised(guardrail);
  const state = stateOf(guardrail);
  const limit = "worse_than" in guardrail.limit ? "limit" : "control";
  return {
    id: `${guardrail.metric}/${limit}/${guardrail.category ?? ""}`,
    metric: guardrail.metric,
    category: guardrail.category ?? null,
    guardrail,
    plot,
    state,
    verdict: verdictOf(guardrail, state),
    e: Math.exp(guardrail.log_e),
  };
}

function stateOf(guardrail: GuardrailEvidence): RowState {
  if (guardrail.blamed) return "blamed";
  if (guardrail.control_breaches) return "common";
  if (guardrail.log_e >= Math.log(HOLD_E)) return "raised";
  if (guardrail.effect.candidate_units === 0 || guardrail.effect.control_units === 0) return "empty";
  return guardrail.non_inferior ? "within" : "open";
}

function verdictOf(guardrail: GuardrailEvidence, state: RowState): string {
  switch (state) {
    case "blamed":
      return "blamed";
    case "common":
      return "control breaches it too";
    case "raised":
      return "evidence of harm";
    case "within":
      return "within its margin";
    case "empty":
      return "no data yet";
    case "open":
      return typeof guardrail.units_needed === "number" && guardrail.units_needed > 0
        ? `not established, about ${plural(guardrail.units_needed, "more unit", "more units")}`
        : "not established";
  }
}

/** A position on the axis in percent of its width, held to its ends. */
export function position(margins: number): number {
  const held = Math.max(-AXIS_MARGINS, Math.min(AXIS_MARGINS, margins));
  return ((held + AXIS_MARGINS) / (2 * AXIS_MARGINS)) * 100;
}
