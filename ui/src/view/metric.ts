// What the dashboard calls each built-in metric, which way it hurts and how its numbers are written. Refuses to test anything.

import type { GuardrailLimit, Metric } from "../api/model";
import { count, percent, points, share, signed, usd } from "./number";

export type Tier = "computational" | "behavioural" | "semantic";

type Unit = "share" | "score" | "tokens" | "money";

type Words = { label: string; meaning: string; tier: Tier; worse: "higher" | "lower"; unit: Unit };

const WORDS: Record<Metric, Words> = {
  error_rate: {
    label: "Errors",
    meaning: "units whose first call failed",
    tier: "computational",
    worse: "higher",
    unit: "share",
  },
  ttft_p95: {
    label: "First token, slow tail",
    meaning: "calls slower to the first token than 95% of control's",
    tier: "computational",
    worse: "higher",
    unit: "share",
  },
  latency_p95: {
    label: "Latency, slow tail",
    meaning: "calls slower in total than 95% of control's",
    tier: "computational",
    worse: "higher",
    unit: "share",
  },
  output_tokens: {
    label: "Output tokens",
    meaning: "output tokens a call",
    tier: "computational",
    worse: "higher",
    unit: "tokens",
  },
  cost: {
    label: "Cost of 1,000 calls",
    meaning: "mean cost, written for a thousand calls",
    tier: "computational",
    worse: "higher",
    unit: "money",
  },
  invalid_output: {
    label: "Invalid output",
    meaning: "units with an answer that its parser refuses",
    tier: "behavioural",
    worse: "higher",
    unit: "share",
  },
  refusal_rate: {
    label: "Refusals",
    meaning: "units with a refusal",
    tier: "behavioural",
    worse: "higher",
    unit: "share",
  },
  quality: {
    label: "Judged quality",
    meaning: "mean score of the judge, 0 to 1",
    tier: "semantic",
    worse: "lower",
    unit: "score",
  },
  thumbs_down: {
    label: "Thumbs down",
    meaning: "units with a thumbs-down",
    tier: "semantic",
    worse: "higher",
    unit: "share",
  },
};

export const TIERS: ReadonlyArray<{ tier: Tier; label: string }> = [
  { tier: "computational", label: "Speed, cost and errors" },
  { tier: "behavioural", label: "Form and behaviour" },
  { tier: "semantic", label: "Meaning" },
];

/** The words of a metric. */
export function words(metric: Metric): Words {
  return WORDS[metric];
}

/** A call costs a fraction of a cent; the price of a thousand can be read. */
const CALLS = 1_000;

/** +1 where more is harm, -1 where less is. */
export function harmSign(metric: Metric): 1 | -1 {
  return WORDS[metric].worse === "higher" ? 1 : -1;
}

/** An arm's mean. */
export function meanText(metric: Metric, value: number): string {
  switch (WORDS[metric].unit) {
    case "share":
      return percent(value);
    case "score":
      return value.toFixed(3);
    case "tokens":
      return count(value);
    case "money":
      return usd(value * CALLS);
  }
}

/** Beyond this a bound says "not known yet", and its digits would only mislead. */
const UNBOUNDED = 1e9;

/** A difference of the arms, signed. */
export function differenceText(metric: Metric, value: number): string {
  if (Math.abs(value) >= UNBOUNDED) return value > 0 ? "+\u221e" : "\u2212\u221e";
  switch (WORDS[metric].unit) {
    case "share":
    case "score":
      return points(value);
    case "tokens":
      return signed(value, Math.abs(value) < 10 ? 1 : 0);
    case "money":
      return `${value > 0 ? "+" : ""}${usd(value * CALLS)}`;
  }
}

/** An interval: `+4.4 to +7.1 pt`, its unit said once. */
export function intervalText(metric: Metric, lower: number, upper: number): string {
  const [from, to] = [differenceText(metric, lower), differenceText(metric, upper)];
  return from.endsWith(" pt") && to.endsWith(" pt") ? `${from.slice(0, -3)} to ${to}` : `${from} to ${to}`;
}

/** A limit in the words of the rollout file. */
export function limitText(limit: GuardrailLimit): string {
  if ("worse_than" in limit) return `worse than ${share(limit.worse_than.limit_ppm)}`;
  const { relative_ppm: relative = 0, absolute_ppm: absolute = 0 } = limit.worse_by;
  const parts = [
    relative > 0 ? `${Number((1 + relative / 1e6).toFixed(3))}x` : null,
    absolute > 0 ? `${Number((absolute / 1e4).toFixed(2))} pt` : null,
  ].filter((part) => part !== null);
  return parts.length === 0 ? "worse at all" : `worse by ${parts.join(" or ")}`;
}
