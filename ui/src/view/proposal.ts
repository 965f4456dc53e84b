// A proposal in words: who wants what, whom it waits for, what stands in its way. Refuses to decide who may approve.

import type { ProposalSummary, ProposalView } from "../api/model";

/** `ana and ben`, `ana, ben and cleo`. */
export function names(list: readonly string[]): string {
  if (list.length <= 1) return list[0] ?? "";
  return `${list.slice(0, -1).join(", ")} and ${list.at(-1)}`;
}

const STATES: Record<string, string> = {
  draft: "a draft, which nobody was asked to look at yet",
  open: "open",
  applied: "in effect",
  withdrawn: "withdrawn",
  void: "void",
};

/** What is the matter with it, as one sentence. */
export function proposalSentence(view: ProposalView): string {
  if (view.state === "applied") return `In effect since revision ${view.revision ?? "?"}.`;
  if (view.state === "void") return `Void: ${view.reason ?? "its ground has changed"}.`;
  if (view.state === "withdrawn") return "Withdrawn.";
  if (view.conflicts.length > 0) return "What it changes was changed by somebody else: look at it again.";
  if (view.state === "draft") return "A draft: nobody was asked to look at it yet.";
  if (view.waits_for.length === 0) {
    return view.hold ? "Approved, and held until somebody applies it." : "Approved.";
  }
  const who = view.waits_for.map((name) => (name === "approver" ? "anybody who may approve" : name));
  return `Waits for ${names(who)}.`;
}

export function stateText(state: string): string {
  return STATES[state] ?? state;
}

/** Open ones first, then by number, latest first. */
export function inOrder(list: readonly ProposalSummary[]): ProposalSummary[] {
  const rank = (one: ProposalSummary) => (one.state === "open" ? 0 : one.state === "draft" ? 1 : 2);
  return [...list].sort((a, b) => rank(a) - rank(b) || b.id - a.id);
}
