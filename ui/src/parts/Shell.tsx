// What surrounds every page: where one may go, which environment and clock this is, whether news arrive.
// Refuses to know any page's content.

import { type ReactNode, useEffect, useRef, useSyncExternalStore } from "react";
import { Link, useLocation } from "wouter";
import { read } from "../api/client";
import { enter, environment, HOME } from "../api/environment";
import { currentConnection, watchConnection } from "../api/live";
import { useResource } from "../api/resource";
import { ClockContext, type ServerClock } from "./Moment";

const PLACES = [
  { href: "/", label: "Overview" },
  { href: "/flags", label: "Flags" },
  { href: "/artifacts", label: "Artifacts" },
  { href: "/interactions", label: "Interactions" },
  { href: "/proposals", label: "Proposals" },
  { href: "/revisions", label: "Audit" },
  { href: "/settings", label: "Settings" },
] as const;

/** One reading of the clock for as long as the server's answer is the same object. */
const readings = new WeakMap<object, ServerClock>();

function clockOf(overview: { now_at: number; clock_factor: number } | undefined): ServerClock | null {
  if (!overview) return null;
  const known = readings.get(overview);
  if (known) return known;
  const clock = { nowAt: overview.now_at, readAt: Date.now(), factor: overview.clock_factor };
  readings.set(overview, clock);
  return clock;
}

export function Shell({ children }: { children: ReactNode }) {
  const { data } = useResource(read.overview());
  const [path] = useLocation();
  const needs = data?.needs.length ?? 0;
  const { data: waiting } = useResource(read.proposals("open"));
  const open = waiting?.proposals.length ?? 0;
  const nav = useRef<HTMLElement>(null);
  // On a phone the places are wider than the screen: the one that is open is among those seen.
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new address marks another place, and a count moves all after it.
  useEffect(() => {
    const here = nav.current?.querySelector("[aria-current]");
    here?.scrollIntoView({ inline: "center", block: "nearest" });
  }, [path, open, needs]);
  return (
    <ClockContext value={clockOf(data)}>
      <a className="skip" href="#main">
        Skip to content
      </a>
      <header className="top">
        <Link href="/" className="brand">
          <img src="/favicon.svg" alt="" width="22" height="22" /> Serinus
        </Link>
        <nav aria-label="main" ref={nav}>
          {PLACES.map(({ href, label }) => (
            <Link key={href} href={href} aria-current={isHere(path, href) ? "page" : undefined}>
              {label}
              {href === "/" && needs > 0 && <span className="needs-count"> {needs}</span>}
              {href === "/proposals" && open > 0 && <span className="needs-count"> {open}</span>}
            </Link>
          ))}
        </nav>
        <p className="chips">
          {data && data.clock_factor !== 1 && (
            <span className="chip chip-clock" title="this server's clock runs faster than the wall's">
              clock ×{data.clock_factor}
            </span>
          )}
          {data && (
            <span className={`chip${data.environment === HOME ? "" : " chip-elsewhere"}`}>
              <Environment name={data.environment} /> · revision {data.head}
            </span>
          )}
          <ConnectionChip />
        </p>
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
    </ClockContext>
  );
}

/** Where this page looks; with more than one environment, the way to another. */
function Environment({ name }: { name: string }) {
  const { data } = useResource(read.environments());
  const keys = data?.environments.map(({ key }) => key) ?? [];
  if (keys.length < 2) return name;
  return (
    <label>
      <span className="sr-only">environment</span>
      <select className="bare" value={environment()} onChange={(event) => enter(event.target.value)}>
        {keys.map((key) => (
          <option key={key}>{key}</option>
        ))}
      </select>
    </label>
  );
}

function isHere(path: string, href: string): boolean {
  return href === "/"
    ? path === "/" || path.startsWith("/r/") || path.startsWith("/f/")
    : path.startsWith(href) ||
        (href === "/proposals" && path.startsWith("/p/")) ||
        (href === "/settings" && path.startsWith("/setup")) ||
        (href === "/flags" && path.startsWith("/segments"));
}

const CONNECTIONS = {
  connecting: "connecting",
  live: "live",
  polling: "asking every second",
} as const;

function ConnectionChip() {
  const connection = useSyncExternalStore(watchConnection, currentConnection);
  return (
    <span className={`chip chip-${connection}`} role="status">
      <span aria-hidden="true" className="dot" /> {CONNECTIONS[connection]}
    </span>
  );
}
