// Quantities as text, each with its unit. Refuses to know which metric a quantity belongs to.

const GROUPED = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const MINUS = "\u2212";

/** A count: `2,460`. */
export function count(n: number): string {
  return GROUPED.format(n);
}

/** `1 unit`, `2 units`. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** A fraction of one as percent, with a digit more where it is small: `6.2%`, `0.52%`. */
export function percent(fraction: number): string {
  const value = fraction * 100;
  const digits = Math.abs(value) >= 99.95 || value === 0 ? 0 : Math.abs(value) < 1 ? 2 : 1;
  return `${signless(value, digits)}%`;
}

/** Parts per million as percent: `5%`, `0.25%`. */
export function share(ppm: number): string {
  return `${Number((ppm / 10_000).toFixed(4))}%`;
}

/** A difference of fractions in percentage points, signed: `+5.7 pt`. */
export function points(difference: number): string {
  return `${signed(difference * 100, Math.abs(difference) < 0.01 ? 2 : 1)} pt`;
}

/** A signed number with a true minus; `0` carries no sign. */
export function signed(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return value < 0 ? `${MINUS}${text}` : `+${text}`;
}

function signless(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `${MINUS}${text}` : text;
}

/** Money in dollars, as many digits as it takes: `$0.00012`, `$1.25`. */
export function usd(micro: number): string {
  const dollars = micro / 1e6;
  const size = Math.abs(dollars);
  const digits = size === 0 || size >= 1 ? 2 : Math.min(6, Math.max(2, 2 - Math.floor(Math.log10(size))));
  return `${dollars < 0 ? MINUS : ""}$${size.toFixed(digits)}`;
}

/** A latency: `310 ms`, `1.24 s`. */
export function latency(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

/** Evidence: two digits below ten, none above a hundred; the server holds it to a million. */
export function evidence(e: number): string {
  if (e >= 1e6) return "\u2265 1,000,000";
  if (e >= 100) return count(e);
  if (e >= 10) return e.toFixed(1);
  return e > 0 && e < 0.005 ? "< 0.01" : e.toFixed(2);
}
