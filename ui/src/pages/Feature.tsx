// The page of one feature: what is served now, since when, and the way back if something is on its way. Refuses to edit it.

import { Link } from "wouter";
import { post, read } from "../api/client";
import type { FeatureView } from "../api/model";
import { useResource } from "../api/resource";
import { FeatureRollback } from "../parts/Actions";
import { Explain } from "../parts/Explain";
import { Fuse } from "../parts/Fuse";
import { Moment } from "../parts/Moment";
import { StageBar } from "../parts/StageBar";
import { Empty, Loaded } from "../parts/States";
import { useTitle } from "../parts/useTitle";
import { fuseOf } from "../view/fuse";
import { share } from "../view/number";
import { featureSentence, rolloutSentence } from "../view/sentence";
import { FeatureTags } from "./Overview";

export function Feature({ feature }: { feature: string }) {
  useTitle(feature);
  const reading = useResource(read.feature(feature));
  return (
    <Loaded reading={reading} what={`feature ${feature}`}>
      {(view) => (
        <>
          <section className="panel first" aria-label="what is served">
            <p className="crumb">
              <b>{view.key}</b>
              <FeatureTags feature={view} />
            </p>
            <h1 className="sentence" aria-live="polite">
              {featureSentence(view)}
            </h1>
            {view.description && <p>{view.description}</p>}
            {view.rollout && <OnItsWay rollout={view.rollout} feature={view.key} />}
            <Diagnostics lines={view.diagnostics ?? []} />
          </section>
          <div className="columns">
            <section className="panel" aria-labelledby="layers">
              <h2 id="layers">
                Served now <span className="muted">bundle {view.fingerprint.slice(0, 8)}</span>
              </h2>
              <Layers view={view} />
            </section>
            <section className="panel" aria-labelledby="judging">
              <h2 id="judging">Measuring</h2>
              <Judging view={view} />
            </section>
          </div>
          <Rollouts feature={view.key} />
          <section className="panel" aria-labelledby="why">
            <h2 id="why">Why did this user get this?</h2>
            <Explain explain={(context) => post.explain("features", view.key, context)} />
          </section>
          <History feature={view.key} />
        </>
      )}
    </Loaded>
  );
}

/** What was served before, and to which of it one may go back. */
function History({ feature }: { feature: string }) {
  const reading = useResource(read.featureHistory(feature));
  return (
    <section className="panel" aria-labelledby="history">
      <h2 id="history">
        Served before <span className="muted">a rollback goes back to what is proven</span>
      </h2>
      <Loaded reading={reading} what="the history">
        {({ combinations }) => (
          <ul className="lines">
            {combinations.map((one) => (
              <li key={one.fingerprint}>
                <code>{one.fingerprint.slice(0, 8)}</code> {Object.values(one.layers).join("  ")}{" "}
                {one.current && <span className="tag">now</span>}
                {one.proven ? <span className="tag">proven</span> : <span className="muted">not proven</span>}
                {one.proof && <span className="muted small"> {one.proof}</span>}
                {one.served_last_at != null && (
                  <span className="muted small">
                    , served last <Moment at={one.served_last_at} />
                  </span>
                )}
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </section>
  );
}

function OnItsWay({ rollout, feature }: { rollout: string; feature: string }) {
  const reading = useResource(read.rollout(rollout));
  return (
    <Loaded reading={reading} what={`rollout ${rollout}`}>
      {(view) => {
        const fuse = fuseOf(view);
        const target = view.change
          .filter((change) => change.feature === feature)
          .map(({ layer, from }) => from ?? `no ${layer}`)
          .join(", ");
        return (
          <>
            <p>
              <Link href={`/r/${encodeURIComponent(rollout)}`}>{rollout}</Link>: {rolloutSentence(view)}
            </p>
            <div className="first-act">
              <FeatureRollback rollout={rollout} target={target} />
              <Fuse {...fuse} />
            </div>
            <StageBar view={view} />
          </>
        );
      }}
    </Loaded>
  );
}

function Diagnostics({ lines }: { lines: readonly string[] }) {
  if (lines.length === 0) return null;
  return (
    <ul className="notice notice-warn">
      {lines.map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  );
}

function Layers({ view }: { view: FeatureView }) {
  return (
    <table className="plain">
      <thead>
        <tr>
          <th scope="col">Layer</th>
          <th scope="col">Version</th>
        </tr>
      </thead>
      <tbody>
        {Object.entries(view.control).map(([layer, reference]) => (
          <tr key={layer}>
            <th scope="row">{layer.replace("_", " ")}</th>
            <td>
              <Link href={`/artifacts/${reference.replace(/@\d+$/, "")}`}>{reference}</Link>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Judging({ view }: { view: FeatureView }) {
  return (
    <dl className="facts">
      <dt>Serving since</dt>
      <dd>{view.control_since_at ? <Moment at={view.control_since_at} /> : "not recorded"}</dd>
      <dt>Judge</dt>
      <dd>
        {view.judge
          ? `${view.judge.rubric} by ${view.judge.model}, ${share(view.judge.rate_ppm)} of interactions`
          : "none: quality is not measured; declare one on the feature"}
      </dd>
      <dt>Categories</dt>
      <dd>{(view.categories ?? []).join(", ") || "none declared"}</dd>
      <dt>Interactions</dt>
      <dd>
        <Link href={`/interactions?feature=${encodeURIComponent(view.key)}`}>the worst of them</Link>
      </dd>
    </dl>
  );
}

function Rollouts({ feature }: { feature: string }) {
  const reading = useResource(read.rollouts());
  return (
    <section className="panel" aria-labelledby="rollouts">
      <h2 id="rollouts">Its rollouts</h2>
      <Loaded reading={reading} what="rollouts">
        {({ rollouts }) => {
          const own = rollouts.filter(({ features }) => features.includes(feature));
          if (own.length === 0) {
            return (
              <Empty>
                None yet. Start one:{" "}
                <code>serinus rollout start {feature}.system_prompt=@new.md --from canary</code>
              </Empty>
            );
          }
          return (
            <ul className="lines">
              {own.map((rollout) => (
                <li key={rollout.key}>
                  <Link href={`/r/${encodeURIComponent(rollout.key)}`}>{rollout.key}</Link>{" "}
                  <span className={`tag phase-${rollout.phase}`}>{rollout.phase.replace("_", " ")}</span>{" "}
                  {rollout.sentence}
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
    </section>
  );
}
