// How far the fuse of harm evidence has burned. Refuses to know a rollout; evidence grows by factors, so the fuse is logarithmic.

import type { HarmPoint, RolloutView } from "../api/model";
import { pointAt } from "./series";

export const HOLD_LIMIT = 5;
export const RESUME_LIMIT = 2;
export const ROLLBACK_LIMIT = 20;

export type FuseState = "calm" | "smouldering" | "holding" | "burnt";

/** The burned part, 0 to 1: evidence of 1 or less says nothing against the change, the limit takes it back. */
export function burned(e: number, limit: number = ROLLBACK_LIMIT): number {
  if (!(e > 1)) return 0;
  return Math.min(1, Math.log(e) / Math.log(limit));
}

/** In words, for those who cannot see the colour. */
export function fuseState(e: number, limit: number = ROLLBACK_LIMIT): FuseState {
  if (e >= limit) return "burnt";
  if (e >= HOLD_LIMIT) return "holding";
  return e >= RESUME_LIMIT ? "smouldering" : "calm";
}

/** The evidence that may take a rollout back now and the limit at which it does. In shadow that of the pairs, which hold nothing:
 *  nobody is exposed. */
export function fuseOf(view: RolloutView): { e: number; limit: number; holds: boolean } {
  const shadow = view.stage?.kind === "shadow" ? view.evidence?.shadow : null;
  if (shadow) return { e: shadow.e, limit: shadowLimit(view), holds: false };
  return { e: view.evidence?.e ?? 0, limit: view.e_limit, holds: true };
}

/** Of a rollout that was taken back: the evidence of that moment. Sessions that end later move it, which decides nothing any more. */
export function fuseWhenTakenBack(view: RolloutView, harm: readonly HarmPoint[]): number | null {
  const at = view.rolled_back?.rolled_back_at;
  return at === undefined ? null : (pointAt(harm, at)?.e ?? null);
}

/** The evidence at which the shadow stage stops a change. */
export function shadowLimit(view: RolloutView): number {
  return 1e6 / Math.max(view.spec.alpha_shadow_ppm, 1);
}
