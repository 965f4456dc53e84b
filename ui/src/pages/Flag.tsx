// One plain flag: whom it serves what, in the order in which that is decided; why one caller got what they got; its life and history;
// and its definition to edit. Refuses to check the definition: the server does, and its refusal stands beside the text.

import { useState } from "react";
import { Link } from "wouter";
import { post, read } from "../api/client";
import type { Context, FlagBody, FlagView } from "../api/model";
import { UnreadableText } from "../api/problem";
import { useResource } from "../api/resource";
import { Explain } from "../parts/Explain";
import { Moment } from "../parts/Moment";
import { Loaded } from "../parts/States";
import { Told } from "../parts/Told";
import { useCommand } from "../parts/useCommand";
import { useTitle } from "../parts/useTitle";
import {
  conditionText,
  flagSentence,
  lifeText,
  type Part,
  parts,
  partsText,
  variantText,
} from "../view/flag";
import { count, share } from "../view/number";
import { Schedule } from "./Flags";

export function Flag({ flag }: { flag: string }) {
  useTitle(flag);
  const reading = useResource(read.flag(flag));
  return (
    <Loaded reading={reading} what={`flag ${flag}`}>
      {(view) => (
        <>
          <section className="panel first">
            <p className="crumb">
              <b>{view.key}</b>
              <span className="muted">
                {view.kind}, changed <Moment at={view.changed_at} /> in{" "}
                <Link href={`/revisions/${view.revision}`}>revision {view.revision}</Link>
              </span>
            </p>
            <h1 className="sentence" aria-live="polite">
              {flagSentence(view)}
            </h1>
            {view.description && <p>{view.description}</p>}
            <Switch view={view} />
          </section>
          <div className="columns">
            <section className="panel" aria-labelledby="order">
              <h2 id="order">
                Who gets what <span className="muted">the first that fits</span>
              </h2>
              <Order view={view} />
            </section>
            <section className="panel" aria-labelledby="why">
              <h2 id="why">Why did this user get this?</h2>
              <Explain explain={(context: Context) => post.explain("flags", view.key, context)} />
            </section>
          </div>
          <section className="panel" aria-labelledby="life">
            <h2 id="life">Life</h2>
            <Life view={view} />
          </section>
          <section className="panel" aria-labelledby="definition">
            <h2 id="definition">Definition</h2>
            <Definition view={view} />
          </section>
        </>
      )}
    </Loaded>
  );
}

/** The declared members alone: what the server adds to an answer is nothing that it takes. */
function bodyOf(view: FlagView): FlagBody {
  const {
    key: _key,
    revision: _revision,
    changed_at: _at,
    lifecycle: _life,
    broken: _broken,
    ...body
  } = view;
  const forced = (body.forced ?? []).map(({ count: _count, ...one }) => one);
  return forced.length > 0 ? { ...body, forced } : body;
}

function Switch({ view }: { view: FlagView }) {
  const { busy, told, run } = useCommand();
  return (
    <>
      <p className="buttons">
        <button
          type="button"
          className="button-main"
          disabled={busy}
          onClick={() =>
            run(
              () => post.flag(view.key, { ...bodyOf(view), disabled: !view.disabled }),
              (answer) => `${view.disabled ? "on" : "off"} since revision ${answer.revision}`,
            )
          }
        >
          Turn it {view.disabled ? "on" : "off"}
        </button>
      </p>
      <Told told={told} />
    </>
  );
}

function Order({ view }: { view: FlagView }) {
  return (
    <ol className="lines">
      {(view.forced ?? []).map((one) => (
        <li key={`${one.list} ${one.variant}`}>
          {one.count ?? "some"} named callers get <b>{one.variant}</b>
        </li>
      ))}
      {(view.prerequisites ?? []).map((one) => (
        <li key={one.flag}>
          unless <Link href={`/flags/${encodeURIComponent(one.flag)}`}>{one.flag}</Link> is{" "}
          {one.variants.join(" or ")}: <b>{one.otherwise ?? view.default}</b>
        </li>
      ))}
      {view.targeting && (
        <li>
          by its expression
          <pre>{JSON.stringify(view.targeting.logic, null, 2)}</pre>
        </li>
      )}
      {(view.rules ?? []).map((rule, at) => (
        <li key={rule.id ?? `${at}`}>
          {conditionText(rule.when)}: <b>{partsText(parts(rule))}</b>
          {rule.bucket_by && <span className="muted"> by {rule.bucket_by}</span>}
          {rule.id && <span className="tag">{rule.id}</span>}
          <Split serves={parts(rule)} />
        </li>
      ))}
      <li>
        everybody else:{" "}
        <b>{view.code_default ? "the caller's own default" : variantText(view, view.default)}</b>
      </li>
    </ol>
  );
}

function Split({ serves }: { serves: readonly Part[] }) {
  if (serves.length < 2) return null;
  return (
    <span className="shares" role="img" aria-label={partsText(serves)}>
      {serves.map(({ variant, ppm }) => (
        <span key={variant} style={{ flexGrow: ppm }} title={`${variant} ${share(ppm)}`} />
      ))}
    </span>
  );
}

function Life({ view }: { view: FlagView }) {
  const { lifecycle } = view;
  const revisions = useResource(read.revisions({ subject: `flag/${view.key}`, limit: 10 }));
  const { data } = useResource(read.schedules());
  const mine = (data?.schedules ?? []).filter(
    ({ planned, state }) => "flag" in planned && planned.flag === view.key && state !== "done",
  );
  return (
    <>
      <p>
        {view.permanent ? "meant to stay" : lifeText(lifecycle.state)}
        {lifecycle.last_evaluated_at != null && (
          <>
            ; asked for {count(lifecycle.evaluations)} times, last <Moment at={lifecycle.last_evaluated_at} />
          </>
        )}
        {view.owner && <>; ask {view.owner} about it</>}
      </p>
      {lifecycle.used_by.length > 0 && <p>Used by {lifecycle.used_by.join(", ")}.</p>}
      <ul className="lines">
        {mine.map((one) => (
          <li key={one.key}>
            <Schedule schedule={one} />
          </li>
        ))}
        {(revisions.data?.revisions ?? []).map((one) => (
          <li key={one.number}>
            <Link href={`/revisions/${one.number}`}>{one.number}</Link> {one.message}{" "}
            <span className="muted">
              {one.actor}, <Moment at={one.at} />
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}

function Definition({ view }: { view: FlagView }) {
  const inForce = JSON.stringify(bodyOf(view), null, 2);
  const [edited, setEdited] = useState<{ over: number; text: string } | null>(null);
  const { busy, told, run } = useCommand();
  const text = edited?.text ?? inForce;
  const changed = text !== inForce;
  return (
    <>
      <label className="field">
        As JSON
        <textarea
          className="code-field"
          spellCheck={false}
          value={text}
          onChange={(event) => setEdited({ over: edited?.over ?? view.revision, text: event.target.value })}
        />
      </label>
      {changed && edited && edited.over !== view.revision && (
        <p className="notice notice-warn" role="status">
          It was changed meanwhile, by revision {view.revision}. Saving replaces that; Undo shows it.
        </p>
      )}
      <p className="buttons">
        <button
          type="button"
          disabled={busy || !changed}
          onClick={() =>
            run(
              async () => post.flag(view.key, parsed(text)),
              (answer) => {
                setEdited(null);
                return `in effect as revision ${answer.revision}`;
              },
            )
          }
        >
          Save
        </button>
        {changed && (
          <button type="button" disabled={busy} onClick={() => setEdited(null)}>
            Undo
          </button>
        )}
      </p>
      <Told told={told} />
    </>
  );
}

function parsed(text: string): FlagBody {
  try {
    return JSON.parse(text) as FlagBody;
  } catch (failure) {
    throw new UnreadableText(failure instanceof Error ? failure.message : "it is no JSON");
  }
}
