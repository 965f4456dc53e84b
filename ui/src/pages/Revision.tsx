// One revision: why it was made, on which evidence, who approved it, what it changed, and the way back. Refuses to revert unseen:
// the first press shows what would go back.

import { useState } from "react";
import { Link } from "wouter";
import { post, read } from "../api/client";
import type { Action, Change, PathDifference, Reverted, Revision as RevisionShape } from "../api/model";
import { useResource } from "../api/resource";
import { VerdictChip } from "../parts/EventLog";
import { EvidenceTable } from "../parts/Evidence";
import { Moment } from "../parts/Moment";
import { PathTable } from "../parts/PathTable";
import { Loaded } from "../parts/States";
import { Told } from "../parts/Told";
import { useCommand } from "../parts/useCommand";
import { useTitle } from "../parts/useTitle";
import { words } from "../view/metric";
import { shortKey } from "../view/paths";
import { HOLDS, sentenceParts } from "../view/sentence";

export function Revision({ number }: { number: number }) {
  useTitle(`Revision ${number}`);
  const reading = useResource(read.revision(number));
  return (
    <Loaded reading={reading} what={`revision ${number}`}>
      {(revision) => <Content revision={revision} />}
    </Loaded>
  );
}

function Content({ revision }: { revision: RevisionShape }) {
  const { cause } = revision;
  const { data: overview } = useResource(read.overview());
  const decision = cause.decision ?? null;
  const [message, figures] = sentenceParts(revision.message);
  return (
    <>
      <section className="panel first">
        <p className="crumb">
          <b>Revision {revision.number}</b>
          <span className="muted">
            by {revision.actor}
            {cause.by === revision.actor ? "" : ` (${cause.by})`}, <Moment at={revision.at} />
          </span>
          {decision && <VerdictChip verdict={decision.decided.verdict} />}
        </p>
        <h1 className="sentence">
          {message}
          {figures && <span className="figures"> {figures}</span>}
        </h1>
        <p className="muted small">
          digest <code>{revision.digest.slice(0, 16)}</code>, after{" "}
          <code>{revision.parent.slice(0, 16)}</code>
          <Came revision={revision} />
        </p>
        <p className="buttons">
          {revision.number > 1 && (
            <Link href={`/revisions/${revision.number - 1}`}>← {revision.number - 1}</Link>
          )}
          {revision.number < (overview?.head ?? 0) && (
            <Link href={`/revisions/${revision.number + 1}`}>{revision.number + 1} →</Link>
          )}
          {decision && <Link href={`/r/${encodeURIComponent(decision.rollout)}`}>{decision.rollout}</Link>}
        </p>
      </section>
      {decision && (
        <section className="panel" aria-labelledby="seen">
          <h2 id="seen">
            What the controller saw{" "}
            <span className="muted">decided: {actionText(decision.decided.action)}</span>
          </h2>
          {!revision.message.includes(decision.decided.reason) && <p>{decision.decided.reason}</p>}
          <EvidenceTable seen={decision.evidence} />
        </section>
      )}
      <section className="panel" aria-labelledby="changes">
        <h2 id="changes">What changed</h2>
        <Differences revision={revision} />
        {cause.by !== "controller" && <Revert number={revision.number} />}
      </section>
    </>
  );
}

/** How it came about, as far as the log says. */
function Came({ revision }: { revision: RevisionShape }) {
  const came = revision.provenance;
  if (!came) return null;
  return (
    <>
      {came.via && <>, via {came.via}</>}
      {came.approval && (
        <>
          , <Link href={`/p/${came.approval.proposal}`}>proposal {came.approval.proposal}</Link> of{" "}
          {came.approval.author} approved by {came.approval.approvers.join(", ")}
        </>
      )}
      {came.copied && (
        <>
          , copied from {came.copied.environment} revision {came.copied.revision}
        </>
      )}
      {came.reverts != null && (
        <>
          , reverts <Link href={`/revisions/${came.reverts}`}>revision {came.reverts}</Link>
        </>
      )}
      {came.schedule && <>, as scheduled by {came.schedule}</>}
      {came.commit && <>, commit {came.commit}</>}
    </>
  );
}

function Differences({ revision }: { revision: RevisionShape }) {
  const reading = useResource(read.revisionDiff(revision.number));
  return (
    <Loaded reading={reading} what="the differences">
      {({ changes }) => (
        <>
          {changes.map((one, at) => {
            const change = revision.changes.find((candidate) => keyOf(candidate) === one.key);
            return (
              <section key={one.key} aria-label={one.key}>
                <h3>
                  <code>{shortKey(one.key)}</code> <Whole op={one.op} paths={one.paths} />
                </h3>
                {!isWhole(one.paths) && <PathTable changes={one.paths} />}
                {change?.put && <Document change={change} open={isWhole(one.paths) && at === 0} />}
              </section>
            );
          })}
        </>
      )}
    </Loaded>
  );
}

/** A document that came or went has no places that differ. */
function isWhole(paths: readonly PathDifference[]): boolean {
  return paths.length === 1 && paths[0]?.path === "";
}

function Whole({ op, paths }: { op: string; paths: readonly PathDifference[] }) {
  if (op === "retire") return <span className="tag">retired</span>;
  return isWhole(paths) && paths[0]?.before == null ? <span className="tag">new</span> : null;
}

function Revert({ number }: { number: number }) {
  const { busy, told, run } = useCommand();
  const [seen, setSeen] = useState<Reverted | null>(null);
  return (
    <>
      {seen === null ? (
        <p className="buttons">
          <button
            type="button"
            disabled={busy}
            onClick={() =>
              run(
                () => post.revert(number, true),
                (answer) => {
                  setSeen(answer);
                  return "this is what would go back; nothing has changed yet";
                },
              )
            }
          >
            Revert…
          </button>
        </p>
      ) : (
        <>
          <ul className="lines">
            {seen.back.map((key) => (
              <li key={key}>
                <code>{key}</code> goes back to what it was before revision {number}
              </li>
            ))}
            {seen.left.map((one) => (
              <li key={one.key} className="muted">
                <code>{one.key}</code> stays: {one.reason}
              </li>
            ))}
          </ul>
          <p className="buttons">
            <button
              type="button"
              className="button-main"
              disabled={busy || seen.back.length === 0}
              onClick={() =>
                run(
                  () => post.revert(number, false),
                  (answer) => {
                    setSeen(null);
                    return `reverted by revision ${answer.revision ?? "?"}`;
                  },
                )
              }
            >
              Revert revision {number}
            </button>
            <button type="button" disabled={busy} onClick={() => setSeen(null)}>
              Leave it
            </button>
          </p>
        </>
      )}
      <Told told={told} />
    </>
  );
}

function actionText(action: Action): string {
  switch (action.type) {
    case "roll_back": {
      const where = action.category ? ` in ${action.category}` : "";
      return `roll back for ${words(action.metric).label.toLowerCase()}${where}`;
    }
    case "hold":
      return `hold: ${HOLDS[action.reason]}`;
    default:
      return action.type;
  }
}

function keyOf(change: Change): string {
  return change.put?.key ?? change.retire?.key ?? "";
}

function Document({ change, open }: { change: Change; open: boolean }) {
  if (!change.put) {
    return (
      <p>
        <span className="tag">retired</span> <code>{keyOf(change)}</code>
      </p>
    );
  }
  return (
    <details className="document" open={open}>
      <summary>The whole document</summary>
      <pre>{JSON.stringify(change.put.body, null, 2)}</pre>
    </details>
  );
}
