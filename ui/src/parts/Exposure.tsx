// Who has met the candidate, and whether anybody still did after it was taken back. Refuses to count control.

import { useContext } from "react";
import type { Report } from "../api/model";
import { count } from "../view/number";
import { span } from "../view/span";
import { ClockContext, Moment } from "./Moment";

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
  const factor = useContext(ClockContext)?.factor ?? 1;
  if (at === null) return <>never</>;
  if (endedAt === null) return <Moment at={at} />;
  const ms = (at - endedAt) / 1000 / factor;
  // How long a withdrawal takes is a matter of real time, however fast the server's clock runs.
  const length = `${span(Math.abs(ms))}${factor === 1 ? "" : " of real time"}`;
  const relation = `${length} ${ms > 0 ? "after" : "before"} it was taken back`;
  return (
    <>
      <Moment at={at} /> <span className={ms > 0 ? "late" : "muted"}>({relation})</span>
    </>
  );
}
