// Plain flags: those to do something about first, each with what it serves. Refuses to show rules: a flag's own page does.

import { useState } from "react";
import { Link } from "wouter";
import { read } from "../api/client";
import type { FlagView, ScheduleView, SegmentView } from "../api/model";
import { useResource } from "../api/resource";
import { Copy } from "../parts/Copy";
import { Moment } from "../parts/Moment";
import { Empty, Loaded } from "../parts/States";
import { useTitle } from "../parts/useTitle";
import { conditionText, flagSentence, flagsInOrder, isToRemove, lifeWord } from "../view/flag";
import { count, plural } from "../view/number";
import { absolute } from "../view/span";

export function Flags() {
  useTitle("Flags");
  const [words, setWords] = useState("");
  const reading = useResource(read.flags());
  return (
    <>
      <section className="panel">
        <Loaded reading={reading} what="flags">
          {({ flags }) => {
            const stale = flags.filter(isToRemove).length;
            return (
              <>
                <h1 className="sentence">
                  {flags.length === 0 ? "No flag yet." : plural(flags.length, "flag")}
                  {stale > 0 && <span className="late">, {stale} to remove</span>}
                </h1>
                {flags.length === 0 ? (
                  <Empty>
                    The first: <Copy text="serinus flag put dark-mode --value true" /> or bring them along:{" "}
                    <Copy text="serinus flag import --format flagd flags.json" />
                  </Empty>
                ) : (
                  <>
                    <p className="pickers">
                      <label>
                        find{" "}
                        <input
                          type="search"
                          value={words}
                          placeholder="key, tag or owner"
                          onChange={(event) => setWords(event.target.value)}
                        />
                      </label>
                    </p>
                    <List flags={flagsInOrder(flags, words)} />
                  </>
                )}
              </>
            );
          }}
        </Loaded>
      </section>
      <Segments />
      <Schedules />
    </>
  );
}

function List({ flags }: { flags: readonly FlagView[] }) {
  if (flags.length === 0) return <Empty>Nothing fits.</Empty>;
  return (
    <table className="plain stack flags">
      <thead>
        <tr>
          <th scope="col">Flag</th>
          <th scope="col">What it serves</th>
          <th scope="col">Life</th>
          <th scope="col">Asked for</th>
        </tr>
      </thead>
      <tbody>
        {flags.map((flag) => (
          <tr key={flag.key}>
            <th scope="row">
              <Link href={`/flags/${encodeURIComponent(flag.key)}`}>{flag.key}</Link>
              {flag.archived && <span className="tag">put away</span>}
              {(flag.tags ?? []).map((tag) => (
                <span key={tag} className="tag">
                  {tag}
                </span>
              ))}
            </th>
            <td className={flag.broken ? "words late" : "words"}>{flagSentence(flag)}</td>
            <td className={isToRemove(flag) ? "short late" : "short muted"}>{lifeWord(flag)}</td>
            <td className="short muted" data-label="asked for">
              {flag.lifecycle.last_evaluated_at != null ? (
                <>
                  {count(flag.lifecycle.evaluations)} times, last{" "}
                  <Moment at={flag.lifecycle.last_evaluated_at} />
                </>
              ) : (
                "never"
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Segments() {
  const reading = useResource(read.segments());
  return (
    <section className="panel" aria-labelledby="segments">
      <h2 id="segments">
        Segments <span className="muted">sets of callers that rules refer to</span>
      </h2>
      <Loaded reading={reading} what="segments">
        {({ segments }) =>
          segments.length === 0 ? (
            <Empty>
              None yet: <Copy text="serinus segment put staff --file staff.yaml" />
            </Empty>
          ) : (
            <ul className="lines">
              {segments.map((segment) => (
                <li key={segment.key} id={`segment-${segment.key}`}>
                  <Segment segment={segment} />
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </section>
  );
}

function Segment({ segment }: { segment: SegmentView }) {
  return (
    <>
      <b>{segment.key}</b> {segment.description} <span className="muted">{conditionText(segment.when)}</span>
      {segment.included_count > 0 && <span className="tag">{segment.included_count} listed</span>}
      {segment.excluded_count > 0 && <span className="tag">{segment.excluded_count} left out</span>}
      {segment.broken && <span className="late"> nobody at the moment: {segment.broken}</span>}
      {segment.used_by.length > 0 && (
        <span className="muted small"> used by {segment.used_by.join(", ")}</span>
      )}
    </>
  );
}

function Schedules() {
  const reading = useResource(read.schedules());
  return (
    <section className="panel" aria-labelledby="schedules">
      <h2 id="schedules">To be changed later</h2>
      <Loaded reading={reading} what="scheduled changes">
        {({ schedules }) =>
          schedules.length === 0 ? (
            <Empty>Nothing is scheduled.</Empty>
          ) : (
            <ul className="lines">
              {schedules.map((one) => (
                <li key={one.key}>
                  <Schedule schedule={one} />
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </section>
  );
}

export function Schedule({ schedule }: { schedule: ScheduleView }) {
  return (
    <>
      <b>{absolute(schedule.at)}</b> {schedule.summary} <span className="muted">by {schedule.author}</span>{" "}
      <span className="tag">{schedule.state}</span>
      {schedule.failure && <span className="late"> {schedule.failure}</span>}
    </>
  );
}
