// One proposal: what it says word by word, what would change, who said what, and the button that is bound to exactly that.
// Refuses to edit: an edit is a new text and voids what was approved.

import { useState } from "react";
import { Link } from "wouter";
import { post, read } from "../api/client";
import type { ProposalView, ProposedVersion } from "../api/model";
import { useResource } from "../api/resource";
import { Moment } from "../parts/Moment";
import { PathTable } from "../parts/PathTable";
import { Loaded } from "../parts/States";
import { Told } from "../parts/Told";
import { useCommand } from "../parts/useCommand";
import { useTitle } from "../parts/useTitle";
import { WordDiff } from "../parts/WordDiff";
import { asText, wordDiff, wordsChanged } from "../view/diff";
import { words } from "../view/metric";
import { share } from "../view/number";
import { differences } from "../view/paths";
import { names, proposalSentence, stateText } from "../view/proposal";
import { span } from "../view/span";

export function Proposal({ id }: { id: number }) {
  useTitle(`Proposal ${id}`);
  const reading = useResource(read.proposal(id));
  return (
    <Loaded reading={reading} what={`proposal ${id}`}>
      {(view) => <Content view={view} />}
    </Loaded>
  );
}

function Content({ view }: { view: ProposalView }) {
  const documents = view.changes.filter(({ key }) => !/^(artifact|rollout|combination)\//.test(key));
  return (
    <>
      <section className="panel first">
        <p className="crumb">
          <b>Proposal {view.id}</b>
          <span className="muted">
            by {view.author}, <Moment at={view.created_at} />, {stateText(view.state)}
          </span>
        </p>
        <h1 className="sentence">{view.message}</h1>
        <p>
          {proposalSentence(view)}{" "}
          {view.revision ? (
            <Link href={`/revisions/${view.revision}`}>See revision {view.revision}</Link>
          ) : null}
        </p>
        {view.conflicts.length > 0 && <Conflicts view={view} />}
      </section>
      {view.versions.map((version) => (
        <Version key={version.reference} version={version} />
      ))}
      {view.rollout && <Rules view={view} />}
      {documents.length > 0 && (
        <section className="panel" aria-labelledby="documents">
          <h2 id="documents">{view.state === "applied" ? "What changed" : "What changes"}</h2>
          {view.state === "applied" && view.revision ? (
            <Made revision={view.revision} keys={documents.map(({ key }) => key)} />
          ) : (
            documents.map((change) => (
              <div key={change.key}>
                <h3>
                  {change.verb} <code>{change.key}</code>
                </h3>
                <PathTable changes={differences(change.before ?? undefined, change.after ?? undefined)} />
              </div>
            ))
          )}
        </section>
      )}
      <Review view={view} />
    </>
  );
}

/** What it changed: once it is in effect, what stands there is what it says. */
function Made({ revision, keys }: { revision: number; keys: readonly string[] }) {
  const reading = useResource(read.revisionDiff(revision));
  return (
    <Loaded reading={reading} what={`what revision ${revision} changed`}>
      {({ changes }) =>
        changes
          .filter(({ key }) => keys.includes(key))
          .map((change) => (
            <div key={change.key}>
              <h3>
                <code>{change.key}</code>
              </h3>
              <PathTable changes={change.paths} />
            </div>
          ))
      }
    </Loaded>
  );
}

function Conflicts({ view }: { view: ProposalView }) {
  return (
    <ul className="lines notice notice-warn" aria-label="conflicts">
      {view.conflicts.map((one) => (
        <li key={one.key}>
          <code>{one.key}</code> {one.reason}{" "}
          <Link href={`/revisions/${one.revision}`}>see revision {one.revision}</Link>
        </li>
      ))}
      <li>
        Made again against what is in effect now: <code>serinus proposal edit {view.id}</code>; approvals
        start anew.
      </li>
    </ul>
  );
}

function Version({ version }: { version: ProposedVersion }) {
  const before = version.content_before;
  const pieces = wordDiff(before ? asText(before) : "", asText(version.content));
  return (
    <section className="panel" aria-label={version.reference}>
      <h2>
        {version.from ? `${version.from} → ${version.reference}` : version.reference}
        <span className="muted">{version.from ? wordsChanged(pieces) : "new"}</span>
      </h2>
      <WordDiff pieces={pieces} />
    </section>
  );
}

function Rules({ view }: { view: ProposalView }) {
  const spec = view.rollout?.spec;
  if (!spec) return null;
  return (
    <section className="panel" aria-labelledby="rules">
      <h2 id="rules">
        Rules in force{" "}
        <span className="muted">the rollout {view.rollout?.key} starts when it is approved</span>
      </h2>
      <dl className="facts">
        <div>
          <dt>stages</dt>
          <dd>
            {spec.stages
              .map((stage) => `${stage.kind} ${share(stage.share_ppm)}, at least ${span(stage.min_ms)}`)
              .join(" → ")}
          </dd>
        </div>
        <div>
          <dt>takes back on</dt>
          <dd>{rulesText(spec.guardrails, "roll_back")}</dd>
        </div>
        <div>
          <dt>holds on</dt>
          <dd>{rulesText(spec.guardrails, "hold") || "nothing of its own"}</dd>
        </div>
      </dl>
    </section>
  );
}

type Guardrails = NonNullable<ProposalView["rollout"]>["spec"]["guardrails"];

function rulesText(guardrails: Guardrails, action: "roll_back" | "hold"): string {
  return guardrails
    .filter((one) => one.action === action)
    .map((one) => words(one.metric).label.toLowerCase() + (one.per_category ? " (and per category)" : ""))
    .join("; ");
}

function Review({ view }: { view: ProposalView }) {
  const { busy, told, run } = useCommand();
  const [text, setText] = useState("");
  const { data: session } = useResource(read.session());
  const mayWithdraw = session?.actor === view.author || session?.scopes.includes("admin");
  const isOpen = view.state === "open" || view.state === "draft";
  const mine = session?.actor === view.author;
  const approved = view.approvals.map(({ person }) => person);
  return (
    <section className="panel" aria-labelledby="review">
      <h2 id="review">
        Review{" "}
        <span className="muted">
          {approved.length > 0 ? `approved by ${names(approved)}` : "nobody approved it yet"}; it takes{" "}
          {view.approvals_min}
        </span>
      </h2>
      <ul className="lines">
        {view.comments.map((one) => (
          <li key={`${one.at} ${one.who}`}>
            <b>{one.who}</b> <Moment at={one.at} />
            <p>{one.text}</p>
          </li>
        ))}
      </ul>
      {isOpen && (
        <>
          <label className="field">
            Say something
            <textarea rows={2} value={text} onChange={(event) => setText(event.target.value)} />
          </label>
          <p className="buttons">
            {view.state === "draft" ? (
              <button
                type="button"
                className="button-main"
                disabled={busy}
                onClick={() =>
                  run(
                    () => post.proposal(view.id, "submit"),
                    () => "open: it waits for a review",
                  )
                }
              >
                Ask for a review
              </button>
            ) : (
              <button
                type="button"
                className="button-main"
                disabled={busy || mine}
                title={
                  mine ? "somebody else has to approve what you propose" : "exactly what this page shows"
                }
                onClick={() => run(() => post.approve(view.id, view.digest), said)}
              >
                Approve {view.digest.slice(0, 8)}…
              </button>
            )}
            {view.hold && view.state === "open" && view.waits_for.length === 0 && (
              <button
                type="button"
                disabled={busy}
                onClick={() => run(() => post.proposal(view.id, "apply"), said)}
              >
                Apply
              </button>
            )}
            <button
              type="button"
              disabled={busy || text.trim() === ""}
              onClick={() =>
                run(
                  () => post.comment(view.id, text.trim()),
                  () => {
                    setText("");
                    return "said";
                  },
                )
              }
            >
              Comment
            </button>
            {mayWithdraw && (
              <button
                type="button"
                disabled={busy}
                onClick={() =>
                  run(
                    () => post.proposal(view.id, "withdraw"),
                    () => "withdrawn",
                  )
                }
              >
                Withdraw
              </button>
            )}
          </p>
          {mine && view.state === "open" && (
            <p className="muted small">You proposed this: it takes somebody else to approve it.</p>
          )}
        </>
      )}
      <Told told={told} />
    </section>
  );
}

function said(view: ProposalView): string {
  return view.state === "applied" ? `approved; in effect as revision ${view.revision}` : "approved";
}
