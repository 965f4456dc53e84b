// One interaction opened: the conversation, the trouble beside it, what was sent, how long it took, how it scored.
// Refuses to show what was not captured as if it had been empty.

import { Link } from "wouter";
import type { InteractionRecord, InteractionView, Score } from "../api/model";
import { troubleText, turns } from "../view/interaction";
import { count, latency, usd } from "../view/number";
import { Moment } from "./Moment";

export function InteractionPanel({ view }: { view: InteractionView }) {
  const { record } = view;
  const bad =
    record.facts.valid === false || record.facts.refusal === true || record.outcome.type === "error";
  return (
    <>
      <p className="worst-head">
        <b>{troubleText(view)}</b>
        {record.category && <span className="tag">{record.category}</span>}
        {record.role !== "served" && (
          <span className="tag">{record.role.replace("_", " ")}: nobody saw it</span>
        )}
      </p>
      <Conversation view={view} bad={bad} />
      <h2>Timing</h2>
      <TimingBar record={record} />
      <h2>Scores</h2>
      <Scores scores={view.scores} />
      <h2>What was really sent</h2>
      <Sent record={record} />
    </>
  );
}

function Conversation({ view, bad }: { view: InteractionView; bad: boolean }) {
  const sent = turns(view.messages ?? []);
  const asked = sent.length > 0 ? sent : view.question ? [{ role: "user", text: view.question }] : [];
  if (asked.length === 0 && !view.answer) {
    return (
      <p className="empty">
        Its texts were not captured: the feature's capture share decides which are kept.
      </p>
    );
  }
  return (
    <ol className="conversation">
      {asked.map((turn, at) => (
        // Turns have no id of their own, and their order never changes.
        // biome-ignore lint/suspicious/noArrayIndexKey: see above
        <li key={at} className={`turn turn-${turn.role}`}>
          <span className="muted small">{turn.role}</span>
          <p>{turn.text}</p>
        </li>
      ))}
      {view.answer && (
        <li className={`turn turn-answer${bad ? " turn-bad" : ""}`}>
          <span className="muted small">answer</span>
          <p>{view.answer}</p>
        </li>
      )}
    </ol>
  );
}

function TimingBar({ record }: { record: InteractionRecord }) {
  const total = record.latency_us / 1000;
  const first = typeof record.ttft_us === "number" ? record.ttft_us / 1000 : null;
  const part = first === null || total <= 0 ? 100 : Math.min(100, (first / total) * 100);
  return (
    <>
      <svg className="timing" width="100%" height="12" aria-hidden="true">
        <rect className="timing-wait" width={`${part}%`} height="12" />
        <rect className="timing-stream" x={`${part}%`} width={`${100 - part}%`} height="12" />
      </svg>
      <p className="small">
        {first === null ? "no first token" : `first token ${latency(first)}`}, total <b>{latency(total)}</b>,{" "}
        {count(record.input_tokens)}
        {record.cached_tokens > 0 ? ` (${count(record.cached_tokens)} cached)` : ""} +{" "}
        {count(record.output_tokens)} tokens, {usd(record.cost)}
      </p>
    </>
  );
}

function Scores({ scores }: { scores: readonly Score[] }) {
  if (scores.length === 0)
    return <p className="empty">Not scored: it was not in the judge's sample and nobody gave feedback.</p>;
  return (
    <table className="plain">
      <thead>
        <tr>
          <th scope="col">Score</th>
          <th scope="col" className="num">
            Value
          </th>
          <th scope="col">By</th>
          <th scope="col">Reason</th>
        </tr>
      </thead>
      <tbody>
        {scores.map((score) => (
          <tr key={score.id}>
            <th scope="row">{score.name}</th>
            <td className="num">{Number(score.value.toFixed(3))}</td>
            <td className="small">
              {[score.source.by, score.source.rubric, score.source.annotator].filter(Boolean).join(" ")}
            </td>
            <td className="reason">{score.reason ?? "–"}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Sent({ record }: { record: InteractionRecord }) {
  const rows: ReadonlyArray<readonly [string, string | null | undefined]> = [
    ["Bundle", record.bundle.slice(0, 12)],
    ["Digest of the request", record.served_digest?.slice(0, 16)],
    ["Model that answered", record.model_returned],
    ["Provider's fingerprint", record.system_fingerprint],
    ["Provider's response id", record.response_id],
    [
      "Status",
      `${record.status}${record.outcome.code ? `, ${record.outcome.code}` : ""}${record.stream ? ", streamed" : ""}`,
    ],
    ["Finish reason", record.facts.finish_reason],
    ["Variant", `${record.variant} (${record.reason})`],
    ["Session", record.session?.slice(0, 12)],
  ];
  return (
    <dl className="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value ?? "not recorded"}</dd>
        </div>
      ))}
      <div>
        <dt>Assigned at</dt>
        <dd>
          <Link href={`/revisions/${record.assigned}`}>revision {record.assigned}</Link>,{" "}
          <Moment at={record.at} />
          {record.arm && (
            <>
              {" "}
              by <Link href={`/r/${encodeURIComponent(record.arm.rollout)}`}>{record.arm.rollout}</Link>
            </>
          )}
        </dd>
      </div>
    </dl>
  );
}
