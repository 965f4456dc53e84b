// A flag in words: whom a rule is for, what is served, where the flag is in its life. Refuses to evaluate anything.

import type { Condition, FlagRule, FlagView } from "../api/model";
import { share } from "./number";
import { valueText } from "./paths";

const list = (values: readonly unknown[], joint: string) => values.map(valueText).join(` ${joint} `);

const VERSIONS: Record<string, string> = {
  equal: "is version",
  less: "is below version",
  at_most: "is at most version",
  greater: "is above version",
  at_least: "is at least version",
  compatible: "is compatible with version",
  same_minor: "is at least, with the same minor as, version",
};

/** `country is US and plan is pro or team`. */
export function conditionText(condition: Condition | null | undefined): string {
  if (condition == null || condition === "always") return "everybody";
  if (typeof condition !== "object") return String(condition);
  const [[kind, body] = ["", null]] = Object.entries(condition) as [string, unknown][];
  if (kind === "and" || kind === "or") {
    const parts = body as Condition[];
    if (parts.length === 0) return kind === "and" ? "everybody" : "nobody";
    return parts.map((part) => nested(part, kind)).join(` ${kind} `);
  }
  if (kind === "not") return `not (${conditionText(body as Condition)})`;
  if (kind === "segment") return `in segment ${String(body)}`;
  return comparison(kind, body as Record<string, unknown>);
}

function nested(part: Condition, outer: string): string {
  const text = conditionText(part);
  const isOther =
    typeof part === "object" && part !== null && (outer === "and" ? "or" in part : "and" in part);
  return isOther ? `(${text})` : text;
}

function comparison(kind: string, body: Record<string, unknown>): string {
  const name = String(body.attribute);
  const values = Array.isArray(body.values) ? body.values : [];
  switch (kind) {
    case "equals":
      return `${name} is ${valueText(body.value)}`;
    case "in":
      return `${name} is ${list(values, "or")}`;
    case "less":
      return `${name} is below ${valueText(body.than)}`;
    case "greater":
      return `${name} is above ${valueText(body.than)}`;
    case "at_most":
      return `${name} is at most ${valueText(body.than)}`;
    case "at_least":
      return `${name} is at least ${valueText(body.than)}`;
    case "between":
      return `${name} is between ${valueText(body.low)} and ${valueText(body.high)}`;
    case "starts_with":
      return `${name} begins with ${list(values, "or")}`;
    case "ends_with":
      return `${name} ends with ${list(values, "or")}`;
    case "contains":
      return `${name} contains ${list(values, "or")}`;
    case "matches":
      return `${name} matches ${valueText(body.pattern)}`;
    case "semver":
      return `${name} ${VERSIONS[String(body.op)] ?? String(body.op)} ${valueText(body.version)}`;
    case "before":
      return `${name} is before ${valueText(body.time)}`;
    case "after":
      return `${name} is after ${valueText(body.time)}`;
    case "in_network":
      return `${name} is in ${list(Array.isArray(body.networks) ? body.networks : [], "or")}`;
    case "present":
      return `${name} is given`;
    default:
      return `${name} ${kind.replaceAll("_", " ")}`;
  }
}

export type Part = { variant: string; ppm: number };

/** What a rule serves, as parts of a whole. */
export function parts(rule: FlagRule): Part[] {
  if ("variant" in rule.serve) return [{ variant: rule.serve.variant, ppm: 1_000_000 }];
  return rule.serve.split.map(({ variant, share_ppm }) => ({ variant, ppm: share_ppm }));
}

/** `on 5%, off 95%`. */
export function partsText(serves: readonly Part[]): string {
  const [only] = serves;
  if (only && serves.length === 1) return only.variant;
  return serves.map(({ variant, ppm }) => `${variant} ${share(ppm)}`).join(", ");
}

/** What it serves now, in a line. */
export function flagSentence(flag: FlagView): string {
  if (flag.broken) return `It does not compile, so callers get their own default: ${flag.broken}`;
  if (flag.disabled) return "It is off: callers get their own default.";
  const fallback = flag.code_default ? "the caller's own default" : variantText(flag, flag.default);
  if (flag.targeting) return `By its expression; else ${fallback}.`;
  const [first] = flag.rules ?? [];
  if (!first) return `Everybody gets ${fallback}.`;
  if ((first.when == null || first.when === "always") && flag.rules?.length === 1) {
    return `Everybody: ${partsText(parts(first))}.`;
  }
  const rules = flag.rules?.length ?? 0;
  return `${rules} ${rules === 1 ? "rule" : "rules"}; everybody else gets ${fallback}.`;
}

/** In a sentence a long value is its name; the definition has it in full. */
const VALUE_MAX = 40;

/** `off (false)`. */
export function variantText(flag: Pick<FlagView, "variants">, variant: string): string {
  const value = valueText(flag.variants[variant]);
  return value.length > VALUE_MAX ? variant : `${variant} (${value})`;
}

/** Whether its work is done. */
export function isToRemove(flag: Pick<FlagView, "lifecycle" | "permanent">): boolean {
  return /settled|unused/.test(flag.lifecycle.state) && !flag.permanent;
}

/** Where it is in its life, for a list. */
export function lifeWord(flag: Pick<FlagView, "lifecycle" | "permanent">): string {
  if (flag.permanent) return "meant to stay";
  return lifeText(flag.lifecycle.state).split(":", 1)[0] ?? "";
}

const LIVES: Record<string, string> = {
  new: "not asked for yet",
  active: "in use",
  settled:
    "settled: everybody has had one variant for 30 days; put that value into the code and delete the flag",
  unused: "unused: nobody has asked for it for 30 days; delete it",
};

export function lifeText(state: string): string {
  return LIVES[state] ?? state;
}

/** Those to do something about first, then by key. */
export function flagsInOrder(flags: readonly FlagView[], words: string): FlagView[] {
  const rank = (flag: FlagView) => (flag.broken ? 0 : isToRemove(flag) ? 1 : 2);
  const wanted = words.trim().toLowerCase();
  const fits = (flag: FlagView) =>
    wanted === "" ||
    [flag.key, flag.owner ?? "", flag.description ?? "", ...(flag.tags ?? [])].some((text) =>
      text.toLowerCase().includes(wanted),
    );
  return flags
    .filter((flag) => fits(flag) && (wanted !== "" || !flag.archived))
    .sort((a, b) => rank(a) - rank(b) || a.key.localeCompare(b.key));
}

/** `plan=pro`, a line each, as attributes; numbers and truth values as such. */
export function attributes(text: string): Record<string, unknown> {
  const lines = text.split("\n").map((line) => line.trim());
  const pairs = lines
    .filter((line) => line.includes("="))
    .map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at).trim(), scalar(line.slice(at + 1).trim())] as const;
    });
  return Object.fromEntries(pairs);
}

function scalar(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  return text !== "" && !Number.isNaN(Number(text)) ? Number(text) : text;
}
