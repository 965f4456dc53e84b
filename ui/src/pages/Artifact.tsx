// One artifact: its versions as a track and the word diff between two of them. Refuses to edit: versions are immutable.

import { Link, useSearchParams } from "wouter";
import { read } from "../api/client";
import type { ArtifactVersion } from "../api/model";
import { useResource } from "../api/resource";
import { Moment } from "../parts/Moment";
import { Loaded } from "../parts/States";
import { useTitle } from "../parts/useTitle";
import { asText, wordDiff, wordsChanged } from "../view/diff";
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
    <table className="plain">
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
              <th scope="row">@{one.version}</th>
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
              <td>{one.author}</td>
              <td>
                <Moment at={one.created_at} />
              </td>
              <td>{one.message}</td>
              <td>
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
            const pieces = wordDiff(asText(old.content), asText(next.content));
            return (
              <>
                {from !== to && <p className="muted">{wordsChanged(pieces)}</p>}
                <pre className="diff">
                  {pieces.map((piece, at) => {
                    const key = `${at} ${piece.kind}`;
                    if (piece.kind === "added") return <ins key={key}>{piece.text}</ins>;
                    if (piece.kind === "removed") return <del key={key}>{piece.text}</del>;
                    return <span key={key}>{piece.text}</span>;
                  })}
                </pre>
              </>
            );
          }}
        </Loaded>
      )}
    </Loaded>
  );
}
