// The revisions that touched a rollout, newest first, each a link to its evidence. Refuses to leave any out.

import { Link } from "wouter";
import type { EventView, Verdict } from "../api/model";
import { Moment } from "./Moment";
import { Empty } from "./States";

export function EventLog({ events }: { events: readonly EventView[] }) {
  if (events.length === 0) return <Empty>No revision has touched it yet.</Empty>;
  // A page from the pager links to the decision; whoever follows it still lands on the verdict first.
  const linked = Number(window.location.hash.slice(1));
  const latestFirst = [...events].sort((a, b) => b.revision - a.revision);
  return (
    <table className="plain events stack">
      <thead>
        <tr>
          <th scope="col">Revision</th>
          <th scope="col">When</th>
          <th scope="col">Who</th>
          <th scope="col">What</th>
        </tr>
      </thead>
      <tbody>
        {latestFirst.map((event) => (
          <tr
            key={event.revision}
            id={String(event.revision)}
            className={linked === event.revision ? "linked" : undefined}
          >
            <td>
              <Link href={`/revisions/${event.revision}`}>{event.revision}</Link>
            </td>
            <td>
              <Moment at={event.at} />
            </td>
            <td>{event.actor}</td>
            <td>
              {event.verdict && <VerdictChip verdict={event.verdict} />} {event.message}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function VerdictChip({ verdict }: { verdict: Verdict }) {
  return <span className={`tag verdict-${verdict.toLowerCase()}`}>{verdict.replace("_", " ")}</span>;
}
