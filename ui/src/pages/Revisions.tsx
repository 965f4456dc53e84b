// The audit: everything that changed, by whom, approved by whom, filtered as one asks. Refuses to show documents: a revision's own
// page does.

import { useState } from "react";
import { Link, useSearchParams } from "wouter";
import { read } from "../api/client";
import type { RevisionFilter, RevisionSummary } from "../api/model";
import { useResource } from "../api/resource";
import { Copy } from "../parts/Copy";
import { Moment } from "../parts/Moment";
import { Empty, Loaded } from "../parts/States";
import { useTitle } from "../parts/useTitle";
import { shortKey } from "../view/paths";

const CAUSES = ["person", "token", "controller"] as const;

export function Revisions() {
  useTitle("Audit");
  const [params, setParams] = useSearchParams();
  const set = (name: string, value: string) =>
    setParams((before) => {
      const next = new URLSearchParams(before);
      if (value) next.set(name, value);
      else next.delete(name);
      if (name !== "before") next.delete("before");
      return next;
    });
  const reading = useResource(read.revisions(filterOf(params)));
  return (
    <section className="panel">
      <h1 className="sentence">Everything that changed, and who changed it</h1>
      <Filters params={params} set={set} />
      <Loaded reading={reading} what="revisions">
        {({ revisions }) => {
          const oldest = revisions.at(-1)?.number ?? 0;
          return (
            <>
              {revisions.length === 0 ? (
                <Empty>
                  {params.size > 0
                    ? "Nothing fits these filters."
                    : "No revision yet. The first one is made when a feature is."}
                </Empty>
              ) : (
                <List revisions={revisions} />
              )}
              <p className="buttons">
                {params.has("before") && (
                  <button type="button" onClick={() => set("before", "")}>
                    Latest
                  </button>
                )}
                {oldest > 1 && (
                  <button type="button" onClick={() => set("before", String(oldest))}>
                    Older
                  </button>
                )}
              </p>
              <p className="muted small">
                All of it, each with its diff: <Copy text="serinus revisions export > audit.jsonl" /> The
                chain of digests: <Copy text="serinus revisions verify" />
              </p>
            </>
          );
        }}
      </Loaded>
    </section>
  );
}

function filterOf(params: URLSearchParams): RevisionFilter {
  const filter: RevisionFilter = {};
  for (const name of ["actor", "subject", "cause"] as const) {
    const value = params.get(name);
    if (value) filter[name] = value;
  }
  const before = Number(params.get("before"));
  if (before > 0) filter.before = before;
  return filter;
}

type FiltersProps = { params: URLSearchParams; set: (name: string, value: string) => void };

function Filters({ params, set }: FiltersProps) {
  return (
    <form className="pickers" onSubmit={(event) => event.preventDefault()}>
      <Text label="who" name="actor" placeholder="ana" params={params} set={set} />
      <Text label="what" name="subject" placeholder="flag/dark-mode" params={params} set={set} />
      <label>
        caused by{" "}
        <select value={params.get("cause") ?? ""} onChange={(event) => set("cause", event.target.value)}>
          <option value="">anything</option>
          {CAUSES.map((cause) => (
            <option key={cause} value={cause}>
              {cause}
            </option>
          ))}
        </select>
      </label>
    </form>
  );
}

function Text({
  label,
  name,
  placeholder,
  params,
  set,
}: FiltersProps & { label: string; name: string; placeholder: string }) {
  const inForce = params.get(name) ?? "";
  const [typed, setTyped] = useState({ over: inForce, text: inForce });
  // What was typed over another filter is gone with it: the browser's way back changes the field too.
  const text = typed.over === inForce ? typed.text : inForce;
  const apply = () => {
    const wanted = text.trim();
    setTyped({ over: wanted, text: wanted });
    if (wanted !== inForce) set(name, wanted);
  };
  return (
    <label>
      {label}{" "}
      <input
        value={text}
        placeholder={placeholder}
        onChange={(event) => setTyped({ over: inForce, text: event.target.value })}
        onBlur={apply}
        onKeyDown={(event) => {
          if (event.key === "Enter") apply();
        }}
      />
    </label>
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
              {revision.approval && (
                <span className="muted small"> approved by {revision.approval.approvers.join(", ")}</span>
              )}
            </td>
            <td className="words">{revision.message}</td>
            <td className="words muted small">
              {revision.changes.map(({ op, key }) => `${op} ${shortKey(key)}`).join(", ")}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
