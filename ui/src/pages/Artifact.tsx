// One artifact: its versions as a track, the word diff between two of them, where one is served, and its text as it would be sent.
// Refuses to edit: versions are immutable.

import { useState } from "react";
import { Link, useSearchParams } from "wouter";
import { post, read } from "../api/client";
import type { ArtifactVersion } from "../api/model";
import { useResource } from "../api/resource";
import { Moment } from "../parts/Moment";
import { Loaded } from "../parts/States";
import { Told } from "../parts/Told";
import { useCommand } from "../parts/useCommand";
import { useTitle } from "../parts/useTitle";
import { WordDiff } from "../parts/WordDiff";
import { asText, wordDiff, wordsChanged } from "../view/diff";
import { count, usd } from "../view/number";
import { placeOf } from "../view/place";

type Named = { kind: string; name: string };

export function ArtifactPage({ kind, name }: Named) {
  useTitle(`${kind}/${name}`);
  const reading = useResource(read.artifact(kind, name));
  const [params, setParams] = useSearchParams();
  return (
    <Loaded reading={reading} what={`${kind}/${name}`}>
      {({ versions }) => {
        const latest = Math.max(...versions.map(({ version }) => version));
        const to = Number(params.get("to")) || latest;
        const from = Number(params.get("from")) || Math.max(1, to - 1);
        const choose = (next: { from: number; to: number }) =>
          setParams({ from: String(next.from), to: String(next.to) }, { replace: true });
        return (
          <>
            <section className="panel">
              <h1 className="sentence">
                {kind}/{name}
              </h1>
              <Track versions={versions} from={from} to={to} choose={choose} />
            </section>
            <section className="panel" aria-labelledby="diff">
              <h2 id="diff">{from === to ? `Version ${to}` : `Version ${from} → ${to}`}</h2>
              <Difference kind={kind} name={name} from={from} to={to} />
            </section>
            <div className="columns">
              <section className="panel" aria-labelledby="facts">
                <h2 id="facts">Version {to}</h2>
                <Facts kind={kind} name={name} version={to} />
              </section>
              {/^(system_prompt|prompt_template)$/.test(kind) && (
                <section className="panel" aria-labelledby="preview">
                  <h2 id="preview">As it would be sent</h2>
                  <Preview reference={`${kind}/${name}@${to}`} />
                </section>
              )}
            </div>
          </>
        );
      }}
    </Loaded>
  );
}

type TrackProps = {
  versions: readonly ArtifactVersion[];
  from: number;
  to: number;
  choose: (next: { from: number; to: number }) => void;
};

function Track({ versions, from, to, choose }: TrackProps) {
  return (
    <table className="plain stack">
      <thead>
        <tr>
          <th scope="col">Version</th>
          {versions.length > 1 && <th scope="col">Compare</th>}
          <th scope="col">Author</th>
          <th scope="col">Made</th>
          <th scope="col">Why</th>
          <th scope="col">Used by</th>
        </tr>
      </thead>
      <tbody>
        {[...versions]
          .sort((a, b) => b.version - a.version)
          .map((one) => (
            <tr key={one.version}>
              <th scope="row">
                @{one.version}
                {one.labels.map((label) => (
                  <span key={label} className="tag">
                    {label}
                  </span>
                ))}
                {one.archived && <span className="tag">put away</span>}
                {one.redacted && <span className="tag late">removed</span>}
              </th>
              {versions.length > 1 && (
                <td>
                  <label className="pick">
                    <input
                      type="radio"
                      name="from"
                      checked={from === one.version}
                      onChange={() => choose({ from: one.version, to })}
                    />{" "}
                    from
                  </label>{" "}
                  <label className="pick">
                    <input
                      type="radio"
                      name="to"
                      checked={to === one.version}
                      onChange={() => choose({ from, to: one.version })}
                    />{" "}
                    to
                  </label>
                </td>
              )}
              <td className="short" data-label="by">
                {one.author}
              </td>
              <td className="short">
                <Moment at={one.created_at} />
              </td>
              <td className="words">{one.message}</td>
              <td data-label={one.used_by.length > 0 ? "used by" : undefined}>
                {one.used_by.map((user) => (
                  <User key={user} name={user} />
                ))}
              </td>
            </tr>
          ))}
      </tbody>
    </table>
  );
}

function User({ name }: { name: string }) {
  const { data } = useResource(read.overview());
  const place = placeOf(name, data);
  return place ? (
    <Link className="tag" href={place}>
      {name}
    </Link>
  ) : (
    <span className="tag">{name}</span>
  );
}

function Difference({ kind, name, from, to }: Named & { from: number; to: number }) {
  const before = useResource(read.artifactVersion(kind, name, from));
  const after = useResource(read.artifactVersion(kind, name, to));
  return (
    <Loaded reading={before} what={`version ${from}`}>
      {(old) => (
        <Loaded reading={after} what={`version ${to}`}>
          {(next) => {
            if (old.redacted || next.redacted) {
              return (
                <p>Its content was removed for good; only the digest {next.digest.slice(0, 16)} is left.</p>
              );
            }
            const pieces = wordDiff(asText(old.content), asText(next.content));
            return (
              <>
                {from !== to && <p className="muted">{wordsChanged(pieces)}</p>}
                <WordDiff pieces={pieces} />
              </>
            );
          }}
        </Loaded>
      )}
    </Loaded>
  );
}

/** Where a version is served, what it weighs, and the commands that move it about. */
function Facts({ kind, name, version }: Named & { version: number }) {
  const reading = useResource(read.artifactVersion(kind, name, version));
  const { busy, told, run } = useCommand();
  return (
    <Loaded reading={reading} what={`version ${version}`}>
      {(view) => (
        <>
          <dl className="facts">
            <div>
              <dt>digest</dt>
              <dd>
                <code>{view.digest.slice(0, 16)}</code>
              </dd>
            </div>
            {view.tokens && (
              <div>
                <dt>tokens</dt>
                <dd>
                  {count(view.tokens.count)} {view.tokens.exact ? "" : "estimated "}({view.tokens.encoding})
                  {view.cost_per_1000_calls_micro_usd != null &&
                    `, ${usd(view.cost_per_1000_calls_micro_usd)} in 1,000 calls of ${view.counted_for}`}
                </dd>
              </div>
            )}
            <div>
              <dt>served by</dt>
              <dd>
                {view.usage.length === 0 && "no bundle yet"}
                {view.usage.map((one) => (
                  <p key={one.feature + one.bundle + one.served_as}>
                    <Link href={`/f/${encodeURIComponent(one.feature)}`}>{one.feature}</Link> as{" "}
                    {one.served_as} <code>{one.bundle.slice(0, 8)}</code>
                    {one.last_at != null && (
                      <span className="muted">
                        , last <Moment at={one.last_at} />
                      </span>
                    )}
                  </p>
                ))}
              </dd>
            </div>
            {view.source && (
              <div>
                <dt>copied from</dt>
                <dd>
                  {view.source.platform}:{view.source.name}@{view.source.version}{" "}
                  <Drift reference={view.reference} />
                </dd>
              </div>
            )}
          </dl>
          <p className="buttons">
            <button
              type="button"
              className="button-small"
              disabled={busy}
              title="lists leave it out and no new bundle may use it; what uses it goes on"
              onClick={() =>
                run(
                  () => post.archive(kind, name, version, !view.archived),
                  () => (view.archived ? "taken out again" : "put away"),
                )
              }
            >
              {view.archived ? "Take it out again" : "Put it away"}
            </button>
          </p>
          <Told told={told} />
        </>
      )}
    </Loaded>
  );
}

function Drift({ reference }: { reference: string }) {
  const { data } = useResource(read.sources());
  const standing = data?.sources.find((one) => one.reference === reference);
  if (!standing) return null;
  return (
    <span className={standing.state === "same" ? "muted" : "late"}>
      {standing.state === "same"
        ? "still the same there"
        : `${standing.state} there: ${standing.detail ?? ""}`}
    </span>
  );
}

/** The text as it would be sent, with sample variables. */
function Preview({ reference }: { reference: string }) {
  const { busy, told, run } = useCommand();
  const [variables, setVariables] = useState("{}");
  const [text, setText] = useState<string | null>(null);
  const render = async () => post.render(reference, JSON.parse(variables) as Record<string, never>);
  return (
    <>
      <label className="field">
        Variables as JSON
        <textarea rows={2} value={variables} onChange={(event) => setVariables(event.target.value)} />
      </label>
      <p className="buttons">
        <button
          type="button"
          disabled={busy || !isObject(variables)}
          onClick={() =>
            run(render, (answer) => {
              setText(answer.text);
              return answer.tokens ? `${count(answer.tokens.count)} tokens` : "rendered";
            })
          }
        >
          Render
        </button>
        {!isObject(variables) && <span className="late">this is no JSON object</span>}
      </p>
      <Told told={told} />
      {text !== null && <pre className="diff">{text}</pre>}
    </>
  );
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
