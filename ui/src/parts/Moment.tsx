// A moment on the page: relative for reading, absolute in the title. Refuses to trust the browser's clock over the server's.

import { createContext, useContext, useEffect, useState } from "react";
import { absolute, ago, serverNow } from "../view/span";

export type ServerClock = { nowAt: number; readAt: number; factor: number };

export const ClockContext = createContext<ServerClock | null>(null);

/** The server's time, once a second. */
export function useNow(): number {
  const clock = useContext(ClockContext);
  const [wall, setWall] = useState(() => Date.now());
  useEffect(() => {
    const timer = window.setInterval(() => setWall(Date.now()), 1_000);
    return () => window.clearInterval(timer);
  }, []);
  return clock ? serverNow(clock, wall) : wall * 1000;
}

/** `4 min ago`. */
export function Moment({ at }: { at: number }) {
  const now = useNow();
  return (
    <time dateTime={new Date(at / 1000).toISOString()} title={absolute(at)}>
      {ago(at, now)}
    </time>
  );
}
