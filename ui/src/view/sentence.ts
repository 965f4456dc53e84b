// Sentences for what the server left unsaid, and answers to commands. Refuses to outvote a sentence that the server sent.

import type { Activation, FeatureView, HoldReason, Need, RolloutView } from "../api/model";
import { count, plural } from "./number";
import { stageLabel } from "./stage";

/** The first thing on the overview. */
export function overviewSentence(needs: readonly Need[]): string {
  if (needs.length === 0) return "Nothing needs you.";
  return `${count(needs.length)} ${needs.length === 1 ? "needs" : "need"} you.`;
}

/** The verdict on a rollout: the server's sentence, else one made of its state. */
export function rolloutSentence(view: RolloutView): string {
  if (view.sentence) return view.sentence;
  const units = view.evidence?.stage_matured.candidate ?? 0;
  const stage = view.stage ? stageLabel(view.stage.kind) : "no stage";
  switch (view.phase) {
    case "draft":
    case "validated":
      return "Declared, not started.";
    case "cancelled":
      return "Cancelled before it started.";
    case "completed":
      return "Delivered: the change is what is served.";
    case "rolled_back":
      return `Taken back: ${view.rolled_back?.reason || "no reason was recorded"}.`;
    case "held":
      return `Held in ${stage}: ${view.hold?.detail || view.hold?.reason || "no reason was recorded"}.`;
    case "running":
      return `In ${stage} with ${plural(units, "matured candidate unit")}.`;
  }
}

/** A verdict in two: what is read at once, and the figures in brackets at its end. */
export function sentenceParts(sentence: string): [string, string] {
  const match = /^(.+?) (\([^()]*\))$/.exec(sentence);
  return match?.[1] && match[2] ? [match[1], match[2]] : [sentence, ""];
}

/** Why a rollout is held, and what ends it. */
export const HOLDS: Record<HoldReason, string> = {
  operator: "a person asked; resume ends it.",
  evidence: "evidence of harm reached 5; ends by itself below 2, after a cool-down.",
  guardrail: "a guardrail that only holds fired; a person decides.",
  sample_ratio: "the arms are not split as declared, so results are not valid; look for what drops units.",
  common_cause: "control breaches the same limit and the arms do not differ; the world, not the change.",
  deadline: "the stage is over its longest time; it goes on by itself when its gate opens.",
  measurement: "a measurement failed; see what could not be measured.",
};

/** What became of a revision on its way to the nodes. */
export function activationText(
  revision: number | null | undefined,
  activation: Activation | null | undefined,
): string {
  const subject = typeof revision === "number" ? `revision ${revision}` : "no new revision";
  if (!activation) return subject;
  const nodes = `${count(activation.active)} of ${count(activation.nodes)} nodes`;
  const after = typeof activation.after_ms === "number" ? ` after ${count(activation.after_ms)} ms` : "";
  return `${subject}, in effect on ${nodes}${after}`;
}

/** Whom a withdrawal touches. */
export function reachText(
  reach: "new_sessions" | "next_turn",
  openSessions: number | null | undefined,
): string {
  const open = typeof openSessions === "number" ? `: ${plural(openSessions, "open session")}` : "";
  return reach === "next_turn"
    ? `every session at its next turn${open}`
    : `new sessions; open ones end as they began${open}`;
}

/** What a feature serves, in a sentence. */
export function featureSentence(view: FeatureView): string {
  if (view.killed) return "Killed: it answers its declared safe answer.";
  if ((view.diagnostics?.length ?? 0) > 0) return "Its definition does not compile: control is served.";
  if (view.rollout) return `Serving ${view.fingerprint.slice(0, 4)}, with ${view.rollout} on its way.`;
  return `Serving ${view.fingerprint.slice(0, 4)} to everybody.`;
}
