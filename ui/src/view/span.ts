// Spans and moments as text. Refuses to know what time it is: the caller says, because the server's clock may run faster.

const UNITS: ReadonlyArray<readonly [number, string]> = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1_000, "s"],
];

const SECOND = 1_000;

/** A span as the command line writes it: `90 s`, `45 min`, `2.5 h`, `7 d`. */
export function span(ms: number): string {
  const whole = Math.max(0, Math.round(ms));
  for (const [size, name] of UNITS) {
    if (whole >= 2 * size || (whole >= size && (size === SECOND || whole % size === 0))) {
      return `${trimmed(whole / size)} ${name}`;
    }
  }
  return `${whole} ms`;
}

function trimmed(value: number): string {
  return value.toFixed(value >= 100 ? 0 : 1).replace(/\.0$/, "");
}

/** How long ago, to the precision that a reader wants: `just now`, `4 min ago`, `in 2 h`. Both in microseconds. */
export function ago(at: number, now: number): string {
  const ms = (now - at) / 1000;
  if (Math.abs(ms) < 2_000) return "just now";
  const text = coarse(Math.abs(ms));
  return ms > 0 ? `${text} ago` : `in ${text}`;
}

function coarse(ms: number): string {
  for (const [size, name] of UNITS) {
    if (ms >= size) return `${Math.round(ms / size)} ${name}`;
  }
  return "1 s";
}

const ABSOLUTE = new Intl.DateTimeFormat("en-GB", {
  year: "numeric",
  month: "short",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  timeZone: "UTC",
  timeZoneName: "short",
});

/** A moment in full, for titles. */
export function absolute(at: number): string {
  return ABSOLUTE.format(new Date(at / 1000));
}

/** What the server's clock reads: its last reading, moved on at its own pace. */
export function serverNow(clock: { nowAt: number; readAt: number; factor: number }, wallMs: number): number {
  return clock.nowAt + (wallMs - clock.readAt) * 1000 * clock.factor;
}

const DAY_US = 86_400_000_000;
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });

/** How moments on an axis, in UTC as the server's sentences say them, from `from` to `to` are written: with the time of day as long as that says something. */
export function tickFormat(from: number, to: number): (at: number) => string {
  const format = to - from > 4 * DAY_US ? DATE : CLOCK;
  return (at) => format.format(new Date(at / 1000));
}
