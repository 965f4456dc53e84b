// One revision: why it was made, on which evidence, and the documents as it left them. Refuses to change any.

import { Link } from "wouter";
import { read } from "../api/client";
import type { Action, Change, Revision as RevisionShape } from "../api/model";
import { useResource } from "../api/resource";
import { VerdictChip } from "../parts/EventLog";
import { EvidenceTable } from "../parts/Evidence";
import { Moment } from "../parts/Moment";
import { Loaded } from "../parts/States";
import { useTitle } from "../parts/useTitle";
import { words } from "../view/metric";
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
        </p>
        <p className="buttons">
          {revision.number > 1 && (
            <Link href={`/revisions/${revision.number - 1}`}>← {revision.number - 1}</Link>
          )}
          <Link href={`/revisions/${revision.number + 1}`}>{revision.number + 1} →</Link>
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
        <h2 id="changes">Documents</h2>
        {revision.changes.map((change) => (
          <Document key={keyOf(change)} change={change} />
        ))}
      </section>
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

function Document({ change }: { change: Change }) {
  if (!change.put) {
    return (
      <p>
        <span className="tag">retired</span> <code>{keyOf(change)}</code>
      </p>
    );
  }
  return (
    <details className="document">
      <summary>
        <code>{change.put.key}</code>
      </summary>
      <pre>{JSON.stringify(change.put.body, null, 2)}</pre>
    </details>
  );
}
