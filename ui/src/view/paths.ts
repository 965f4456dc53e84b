// Two JSON values compared path by path, and a value as a short text. Refuses to know what the values mean.

export type PathChange = { path: string; before?: unknown; after?: unknown };

const TEXT_MAX = 160;

/** A value as a person reads it in a table cell. */
export function valueText(value: unknown): string {
  if (value === undefined || value === null) return "–";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text;
}

/** A document's key with a fingerprint shortened to what tells it from others. */
export function shortKey(key: string): string {
  return key.replace(/[0-9a-f]{32,}/g, (digest) => digest.slice(0, 8));
}

/** Where two values differ, written as the server writes it: `rules[0].serve`, empty for the whole; lists are compared place by place. */
export function differences(before: unknown, after: unknown, path = ""): PathChange[] {
  if (before === after) return [];
  const [a, b] = [entriesOf(before), entriesOf(after)];
  if (a === null || b === null) return [{ path, before, after }];
  const isList = Array.isArray(before) && Array.isArray(after);
  const keys = [...new Set([...a.keys(), ...b.keys()])];
  return keys.flatMap((key) => {
    const inner = isList ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`;
    if (!a.has(key)) return [{ path: inner, after: b.get(key) }];
    if (!b.has(key)) return [{ path: inner, before: a.get(key) }];
    return differences(a.get(key), b.get(key), inner);
  });
}

function entriesOf(value: unknown): Map<string, unknown> | null {
  if (Array.isArray(value)) return new Map(value.map((inner, at) => [String(at), inner]));
  if (typeof value === "object" && value !== null) return new Map(Object.entries(value));
  return null;
}
