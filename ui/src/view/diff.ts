// Two contents as one text with what was taken out and put in, word by word. Refuses to know artifacts.

import { diffWordsWithSpace } from "diff";

export type Piece = { kind: "same" | "added" | "removed"; text: string };

/** A content as text to compare: a prompt is its text, anything else its JSON with sorted keys. */
export function asText(content: unknown): string {
  if (typeof content === "string") return content;
  if (
    typeof content === "object" &&
    content !== null &&
    "text" in content &&
    typeof content.text === "string"
  ) {
    const { text, ...others } = content;
    const rest = Object.fromEntries(Object.entries(others).filter(([, value]) => !isEmpty(value)));
    const more = Object.keys(rest).length > 0 ? `\n\n${JSON.stringify(sorted(rest), null, 2)}` : "";
    return text + more;
  }
  return JSON.stringify(sorted(content), null, 2) ?? "";
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => a.localeCompare(b));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}

/** The word diff. Changed words with nothing but space between them are told as one phrase, which reads better than word by word. */
export function wordDiff(before: string, after: string): Piece[] {
  const pieces: Piece[] = [];
  let [removed, added, space] = ["", "", ""];
  const flush = () => {
    if (removed) pieces.push({ kind: "removed", text: removed });
    if (added) pieces.push({ kind: "added", text: added });
    if (space) pieces.push({ kind: "same", text: space });
    [removed, added, space] = ["", "", ""];
  };
  for (const part of diffWordsWithSpace(before, after)) {
    if (part.added || part.removed) {
      // The space before a further change belongs to the phrase on both sides.
      [removed, added, space] = [removed + space, added + space, ""];
      if (part.added) added += part.value;
      else removed += part.value;
    } else if ((removed || added) && /^[^\S\n]+$/.test(part.value)) {
      space = part.value;
    } else {
      flush();
      pieces.push({ kind: "same", text: part.value });
    }
  }
  flush();
  return pieces;
}

/** `+12 -31 words`. */
export function wordsChanged(pieces: readonly Piece[]): string {
  const words = (kind: Piece["kind"]) =>
    pieces
      .filter((piece) => piece.kind === kind)
      .reduce((sum, { text }) => sum + (text.match(/\S+/g)?.length ?? 0), 0);
  return `+${words("added")} \u2212${words("removed")} words`;
}
