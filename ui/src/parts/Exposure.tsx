// Who has met the candidate, and whether anybody still did after it was taken back. Refuses to count control.

import type { Report } from "../api/model";
import { count } from "../view/number";
import { span } from "../view/span";
import { Moment } from "./Moment";

export function Exposure({ exposure, endedAt }: { exposure: Report["exposure"]; endedAt: number | null }) {
  return (
    <dl className="facts">
      <dt>Candidate units</dt>
      <dd>{count(exposure.candidate_sessions)}</dd>
      <dt>Its interactions</dt>
      <dd>{count(exposure.candidate_interactions)}</dd>
      <dt>Last enrolment</dt>
      <dd>
        <Last at={exposure.last_enrolment_at ?? null} endedAt={endedAt} />
      </dd>
      <dt>Last turn on it</dt>
      <dd>
        <Last at={exposure.last_turn_at ?? null} endedAt={endedAt} />
      </dd>
    </dl>
  );
}

function Last({ at, endedAt }: { at: number | null; endedAt: number | null }) {
  if (at === null) return <>never</>;
  if (endedAt === null) return <Moment at={at} />;
  const ms = (at - endedAt) / 1000;
  const relation = ms > 0 ? `${span(ms)} after it was taken back` : `${span(-ms)} before it was taken back`;
  return (
    <>
      <Moment at={at} /> <span className={ms > 0 ? "late" : "muted"}>({relation})</span>
    </>
  );
}
