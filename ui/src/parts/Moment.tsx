// A moment on the page: relative for reading, absolute in the title. Refuses to trust the browser's clock over the server's.

import { createContext, useContext, useSyncExternalStore } from "react";
import { absolute, ago, serverNow } from "../view/span";

export type ServerClock = { nowAt: number; readAt: number; factor: number };

export const ClockContext = createContext<ServerClock | null>(null);

/** One timer for every moment on the page. */
const watchers = new Set<() => void>();
let reading = Date.now();
let timer: number | undefined;

function watchWall(watcher: () => void): () => void {
  watchers.add(watcher);
  timer ??= window.setInterval(() => {
    reading = Date.now();
    for (const tell of watchers) tell();
  }, 1_000);
  return () => {
    watchers.delete(watcher);
    if (watchers.size > 0) return;
    window.clearInterval(timer);
    timer = undefined;
  };
}

/** The server's time, once a second. */
export function useNow(): number {
  const clock = useContext(ClockContext);
  const wall = useSyncExternalStore(watchWall, () => reading);
  return clock ? serverNow(clock, wall) : wall * 1000;
}

/** `4 min ago`. What is told has happened: a fast clock that was read a moment late must not put it into the future. */
export function Moment({ at }: { at: number }) {
  const now = useNow();
  return (
    <time dateTime={new Date(at / 1000).toISOString()} title={absolute(at)}>
      {ago(Math.min(at, now), now)}
    </time>
  );
}
