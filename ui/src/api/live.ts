// The server's news: which rollouts changed, over one event stream, or by asking every second while that is away.
// Refuses to carry data; whoever is concerned reads it again.

import { environment, HOME } from "./environment";

export type News =
  | { kind: "revision"; rollouts: readonly string[] }
  | { kind: "report"; rollout: string }
  | { kind: "tick" };

export type Connection = "connecting" | "live" | "polling";

const POLL_MS = 1_000;
/** With the stream up: ages and counts move even when no revision does. */
const REFRESH_MS = 5_000;
const RETRY_MS = 3_000;

type Listener = (news: News) => void;

const listeners = new Set<Listener>();
const watchers = new Set<() => void>();
let connection: Connection = "connecting";
let source: EventSource | null = null;
let lastTick = 0;

/** Hears of news until the answered function is called. */
export function subscribe(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** For `useSyncExternalStore`. */
export function watchConnection(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

export function currentConnection(): Connection {
  return connection;
}

/** Opens the stream and starts the clock; once, when the page starts. */
export function startLive(): void {
  open();
  window.setInterval(tick, POLL_MS);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) announce({ kind: "tick" });
  });
}

function open(): void {
  // An event stream carries no header of ours: the environment stands in the address.
  const where = environment() === HOME ? "" : `?environment=${encodeURIComponent(environment())}`;
  source = new EventSource(`/api/v1/stream${where}`);
  source.addEventListener("open", () => turn("live"));
  source.addEventListener("revision", (event) => {
    announce({ kind: "revision", rollouts: rolloutsOf(event) });
  });
  source.addEventListener("report", (event) => {
    const { rollout } = parsed(event);
    // Nobody looks at a hidden page; it asks anew when it is seen again.
    if (typeof rollout === "string" && !document.hidden) announce({ kind: "report", rollout });
  });
  source.addEventListener("error", () => {
    turn("polling");
    // A refused stream is closed for good by the browser; a broken one it opens again by itself.
    if (source?.readyState === EventSource.CLOSED) window.setTimeout(open, RETRY_MS);
  });
}

function tick(): void {
  if (document.hidden) return;
  const due = connection === "live" ? REFRESH_MS : POLL_MS;
  if (Date.now() - lastTick < due) return;
  lastTick = Date.now();
  announce({ kind: "tick" });
}

function announce(news: News): void {
  for (const listener of listeners) listener(news);
}

function turn(next: Connection): void {
  if (next === connection) return;
  connection = next;
  for (const watcher of watchers) watcher();
}

function rolloutsOf(event: MessageEvent<string>): string[] {
  const { rollouts } = parsed(event);
  return Array.isArray(rollouts) ? rollouts.filter((key) => typeof key === "string") : [];
}

function parsed(event: MessageEvent<string>): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(event.data);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    // News that cannot be read is still news: the reader looks again at the next tick.
    return {};
  }
}
