// The revision log, latest first. Refuses to show documents: a revision's own page does.

import { useState } from "react";
import { Link } from "wouter";
import { read } from "../api/client";
import type { RevisionSummary } from "../api/model";
import { useResource } from "../api/resource";
import { Moment } from "../parts/Moment";
import { Empty, Loaded } from "../parts/States";
import { useTitle } from "../parts/useTitle";

export function Revisions() {
  useTitle("Revisions");
  const [before, setBefore] = useState<number | null>(null);
  const reading = useResource(read.revisions(before));
  return (
    <section className="panel">
      <h1 className="sentence">Everything that changed, and who changed it</h1>
      <Loaded reading={reading} what="revisions">
        {({ revisions }) => {
          const oldest = revisions.at(-1)?.number ?? 0;
          return (
            <>
              {revisions.length === 0 ? (
                <Empty>No revision yet. The first one is made when a feature is.</Empty>
              ) : (
                <List revisions={revisions} />
              )}
              <p className="buttons">
                {before !== null && (
                  <button type="button" onClick={() => setBefore(null)}>
                    Latest
                  </button>
                )}
                {oldest > 1 && (
                  <button type="button" onClick={() => setBefore(oldest)}>
                    Older
                  </button>
                )}
              </p>
            </>
          );
        }}
      </Loaded>
    </section>
  );
}

function List({ revisions }: { revisions: readonly RevisionSummary[] }) {
  return (
    <table className="plain events stack">
      <thead>
        <tr>
          <th scope="col">Revision</th>
          <th scope="col">When</th>
          <th scope="col">Who</th>
          <th scope="col">What</th>
          <th scope="col">Documents</th>
        </tr>
      </thead>
      <tbody>
        {revisions.map((revision) => (
          <tr key={revision.number}>
            <td>
              <Link href={`/revisions/${revision.number}`}>{revision.number}</Link>
            </td>
            <td>
              <Moment at={revision.at} />
            </td>
            <td>
              {revision.actor}
              {revision.cause_kind === "controller" && <span className="tag">with evidence</span>}
            </td>
            <td>{revision.message}</td>
            <td className="muted small">
              {revision.changes.map(({ op, key }) => `${op} ${key}`).join(", ")}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
