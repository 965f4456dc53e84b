// Interactions, the worst first, and one of them opened: the conversation, what went wrong, what was really sent.
// Refuses to send any again.

import { Link, useSearchParams } from "wouter";
import { read } from "../api/client";
import type { InteractionFilter, InteractionView } from "../api/model";
import { useResource } from "../api/resource";
import { InteractionPanel } from "../parts/InteractionPanel";
import { Moment } from "../parts/Moment";
import { Empty, Loaded } from "../parts/States";
import { useTitle } from "../parts/useTitle";
import { byTrouble, excerpt, lowestScore, troubleText } from "../view/interaction";

const LISTED = 50;
/** A judged score below this is worth reading. */
const LOW = 0.6;

export function Interactions() {
  useTitle("Interactions");
  const [params, setParams] = useSearchParams();
  const id = params.get("id");
  const all = params.get("show") === "all";
  const change = (name: string, value: string | null) =>
    setParams((now) => {
      if (value === null || value === "") now.delete(name);
      else now.set(name, value);
      return now;
    });
  return (
    <div className={id ? "split" : undefined}>
      <section className="panel" aria-labelledby="list">
        <h1 id="list" className="sentence">
          {all ? "The latest interactions" : "The worst interactions"}
        </h1>
        <Filters params={params} change={change} all={all} />
        <List filter={filterOf(params, all)} all={all} opened={id} params={params} />
      </section>
      {id && (
        <section className="panel" aria-label="interaction">
          <p className="crumb">
            <code>{id}</code>
            <button type="button" className="button-small" onClick={() => change("id", null)}>
              close
            </button>
          </p>
          <Opened id={id} />
        </section>
      )}
    </div>
  );
}

function filterOf(params: URLSearchParams, all: boolean): InteractionFilter {
  const arm = params.get("arm");
  return {
    ...(params.get("feature") ? { feature: params.get("feature") as string } : {}),
    ...(params.get("rollout") ? { rollout: params.get("rollout") as string } : {}),
    ...(arm === "control" || arm === "candidate" ? { arm } : {}),
    ...(params.get("category") ? { category: params.get("category") as string } : {}),
    ...(all ? {} : { score_below: LOW }),
    limit: LISTED,
  };
}

type FiltersProps = {
  params: URLSearchParams;
  change: (name: string, value: string | null) => void;
  all: boolean;
};

function Filters({ params, change, all }: FiltersProps) {
  const { data } = useResource(read.overview());
  return (
    <p className="pickers">
      <label>
        Show{" "}
        <select value={all ? "all" : ""} onChange={(event) => change("show", event.target.value)}>
          <option value="">worst</option>
          <option value="all">all</option>
        </select>
      </label>
      <label>
        Feature{" "}
        <select
          value={params.get("feature") ?? ""}
          onChange={(event) => change("feature", event.target.value)}
        >
          <option value="">all</option>
          {data?.features.map(({ key }) => (
            <option key={key}>{key}</option>
          ))}
        </select>
      </label>
      <label>
        Rollout{" "}
        <select
          value={params.get("rollout") ?? ""}
          onChange={(event) => change("rollout", event.target.value)}
        >
          <option value="">all</option>
          {data?.rollouts.map(({ key }) => (
            <option key={key}>{key}</option>
          ))}
        </select>
      </label>
      <label>
        Arm{" "}
        <select value={params.get("arm") ?? ""} onChange={(event) => change("arm", event.target.value)}>
          <option value="">both</option>
          <option>control</option>
          <option>candidate</option>
        </select>
      </label>
    </p>
  );
}

type ListProps = { filter: InteractionFilter; all: boolean; opened: string | null; params: URLSearchParams };

function List({ filter, all, opened, params }: ListProps) {
  const reading = useResource(read.interactions(filter));
  return (
    <Loaded reading={reading} what="interactions">
      {({ interactions }) => {
        const shown = all ? interactions : [...interactions].sort(byTrouble);
        if (shown.length === 0) {
          return (
            <Empty>
              {all ? "No interaction fits. " : "None is bad enough to show here. "}
              Widen the filter, or <Link href="/setup">send a call</Link>.
            </Empty>
          );
        }
        return (
          <ul className="interactions">
            {shown.map((view) => (
              <Line key={view.record.id} view={view} opened={opened === view.record.id} params={params} />
            ))}
          </ul>
        );
      }}
    </Loaded>
  );
}

function Line({ view, opened, params }: { view: InteractionView; opened: boolean; params: URLSearchParams }) {
  const { record } = view;
  const reason = lowestScore(view)?.reason;
  const next = new URLSearchParams(params);
  next.set("id", record.id);
  return (
    <li>
      <Link
        href={`/interactions?${next}`}
        className="interaction-line"
        aria-current={opened ? "true" : undefined}
      >
        <span className="interaction-question">
          {view.question ? excerpt(view.question, 90) : "question not captured"}
        </span>
        <span className="interaction-trouble">
          {excerpt(troubleText(view), 60)}
          {reason && <span className="interaction-reason"> {excerpt(reason, 90)}</span>}
        </span>
        <span className="muted small">
          {record.feature}
          {record.arm ? ` · ${record.arm.arm}` : ""}
          {record.category ? ` · ${record.category}` : ""} · <Moment at={record.at} />
        </span>
      </Link>
    </li>
  );
}

function Opened({ id }: { id: string }) {
  const reading = useResource(read.interaction(id));
  return (
    <Loaded reading={reading} what={`interaction ${id}`}>
      {(view) => <InteractionPanel view={view} />}
    </Loaded>
  );
}
