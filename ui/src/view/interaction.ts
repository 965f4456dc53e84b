// What went wrong with an interaction, in a few words. Refuses to rank interactions against each other.

import type { InteractionView, Score } from "../api/model";

/** A text on one line, cut at a word. */
export function excerpt(text: string, length: number): string {
  const flat = text.replace(/\s+/g, " ").trim();
  if (flat.length <= length) return flat;
  const cut = flat.slice(0, length);
  const space = cut.lastIndexOf(" ");
  return `${cut.slice(0, space > length / 2 ? space : length)}\u2026`;
}

/** The lowest score that it was given. */
export function lowestScore(view: InteractionView): Score | undefined {
  return [...view.scores].sort((a, b) => a.value - b.value)[0];
}

/** Why there is no answer to show. */
export function answerMissing({ record }: InteractionView): string {
  return record.outcome.type === "ok"
    ? "the answer was not captured"
    : "no answer came, or only a part of one";
}

/** Its trouble, the gravest first. */
export function troubleText(view: InteractionView): string {
  const { outcome, facts } = view.record;
  if (outcome.type === "error") return `failed: ${outcome.code ?? "no code"}`;
  if (facts.valid === false) return `invalid output: ${facts.invalid_reason ?? "refused by its parser"}`;
  if (facts.refusal) return "refused to answer";
  const score = lowestScore(view);
  if (score?.name === "thumbs") return score.value < 0.5 ? "thumbs down" : "thumbs up";
  if (score) return `${score.name} ${score.value.toFixed(2)}`;
  return outcome.type === "cancelled" ? "cancelled by the client" : "answered";
}

/** Failures first, then refused by their parser, refusals, then by lowest score. */
export function byTrouble(a: InteractionView, b: InteractionView): number {
  return gravity(b) - gravity(a) || b.record.at - a.record.at;
}

function gravity(view: InteractionView): number {
  const { outcome, facts } = view.record;
  if (outcome.type === "error") return 4;
  if (facts.valid === false) return 3;
  if (facts.refusal) return 2;
  return 1 - (lowestScore(view)?.value ?? 1);
}

export type Turn = { role: string; text: string };

/** Messages as they were sent, as turns to read. Content in parts is joined; what is no text is shown as JSON. */
export function turns(messages: readonly unknown[]): Turn[] {
  return messages.map((message) => {
    const { role, content } =
      typeof message === "object" && message !== null ? (message as Record<string, unknown>) : {};
    return { role: typeof role === "string" ? role : "message", text: contentText(content ?? message) };
  });
}

function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  if (Array.isArray(content)) return content.map(partText).join("\n");
  return JSON.stringify(content, null, 2) ?? "";
}

function partText(part: unknown): string {
  if (typeof part === "object" && part !== null && "text" in part && typeof part.text === "string")
    return part.text;
  return JSON.stringify(part) ?? "";
}
