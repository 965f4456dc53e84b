// The first page: what needs somebody, what is on its way, what is served. Refuses to show a wall of green.

import { Link } from "wouter";
import { read } from "../api/client";
import type { FeatureView, Need, Overview as OverviewShape, RolloutSummary } from "../api/model";
import { useResource } from "../api/resource";
import { Copy } from "../parts/Copy";
import { Fuse } from "../parts/Fuse";
import { Moment } from "../parts/Moment";
import { StageSegments } from "../parts/StageBar";
import { Empty, Loaded } from "../parts/States";
import { useTitle } from "../parts/useTitle";
import { share } from "../view/number";
import { placeOf } from "../view/place";
import { overviewSentence, sentenceParts } from "../view/sentence";
import { stageLabel } from "../view/stage";

export function Overview() {
  const reading = useResource(read.overview());
  const needs = reading.data?.needs.length ?? 0;
  useTitle(needs > 0 ? `(${needs}) Overview` : "Overview");
  return (
    <Loaded reading={reading} what="the overview">
      {(overview) => <Content overview={overview} />}
    </Loaded>
  );
}

const LIVE = new Set(["running", "held", "validated", "draft"]);

function Content({ overview }: { overview: OverviewShape }) {
  const { needs, rollouts, features } = overview;
  const flying = rollouts.filter(({ phase }) => LIVE.has(phase)).sort((a, b) => (b.e ?? 0) - (a.e ?? 0));
  const landed = rollouts.filter(({ phase }) => !LIVE.has(phase));
  return (
    <>
      <div aria-live="polite">
        <h1 className={`sentence${needs.length > 0 ? " sentence-needs" : ""}`}>{overviewSentence(needs)}</h1>
        {needs.length > 0 && (
          <ul className="needs">
            {needs.map((need) => (
              <NeedItem key={`${need.subject} ${need.sentence}`} need={need} overview={overview} />
            ))}
          </ul>
        )}
      </div>
      <section className="panel" aria-labelledby="flying">
        <h2 id="flying">In flight</h2>
        {flying.length === 0 ? (
          <Empty>
            No rollout is on its way. Start one:{" "}
            <code>serinus rollout start FEATURE.system_prompt=@new.md --from canary</code>
          </Empty>
        ) : (
          <ul className="flights">
            {flying.map((rollout) => (
              <Flight key={rollout.key} rollout={rollout} />
            ))}
          </ul>
        )}
      </section>
      <section className="panel" aria-labelledby="features">
        <h2 id="features">Features</h2>
        <Features features={features} />
      </section>
      <Changed />
      {landed.length > 0 && (
        <section className="panel" aria-labelledby="landed">
          <h2 id="landed">Ended</h2>
          <ul className="flights">
            {landed.map((rollout) => (
              <Flight key={rollout.key} rollout={rollout} />
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

/** The latest of the log: what somebody who comes in the morning asks first. */
const CHANGES = 6;

function Changed() {
  const reading = useResource(read.revisions({ limit: CHANGES }));
  return (
    <section className="panel" aria-labelledby="changed">
      <h2 id="changed">Changed last</h2>
      <Loaded reading={reading} what="revisions">
        {({ revisions }) =>
          revisions.length === 0 ? (
            <Empty>No revision yet. The first one is made when a feature is.</Empty>
          ) : (
            <ul className="changed">
              {revisions.slice(0, CHANGES).map(({ number, at, actor, message }) => (
                <li key={number}>
                  <Link href={`/revisions/${number}`}>{number}</Link>{" "}
                  <span className="muted">
                    <Moment at={at} />, {actor}
                  </span>{" "}
                  <span title={message}>{sentenceParts(message)[0]}</span>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </section>
  );
}

function NeedItem({ need, overview }: { need: Need; overview: OverviewShape }) {
  const place = placeOf(need.subject, overview);
  return (
    <li>
      <p>
        {place ? <Link href={place}>{need.subject}</Link> : <b>{need.subject}</b>}: {need.sentence}
      </p>
      {need.commands.map((command) => (
        <Copy key={command} text={command} />
      ))}
    </li>
  );
}

const PHASES: Record<RolloutSummary["phase"], string> = {
  draft: "draft",
  validated: "not started",
  running: "",
  held: "held",
  completed: "delivered",
  rolled_back: "taken back",
  cancelled: "cancelled",
};

function whereOf({ stage, share_ppm }: RolloutSummary): string {
  if (!stage) return "";
  // In shadow nobody is enrolled: a share of 0% would only puzzle.
  return stage === "shadow" ? stageLabel(stage) : `${stageLabel(stage)} ${share(share_ppm)}`;
}

function Flight({ rollout }: { rollout: RolloutSummary }) {
  const live = LIVE.has(rollout.phase);
  const where = whereOf(rollout);
  return (
    <li className={`flight flight-${rollout.phase}${live ? "" : " flight-ended"}`}>
      <p className="flight-name">
        <Link href={`/r/${encodeURIComponent(rollout.key)}`}>{rollout.key}</Link>{" "}
        <span className="muted">{rollout.features.join(", ")}</span>
      </p>
      <div className="flight-stage">
        <StageSegments summary={rollout} />
        <span className="muted small">
          {[PHASES[rollout.phase], live ? where : ""].filter((part) => part !== "").join(", ")}
        </span>
      </div>
      {/* What has ended burns no more: its sentence says what the evidence was. */}
      {live && <Fuse e={rollout.e ?? 0} limit={rollout.e_limit} holds={rollout.stage !== "shadow"} compact />}
      <p className="flight-sentence" title={rollout.sentence}>
        {sentenceParts(rollout.sentence)[0]}
      </p>
    </li>
  );
}

function Features({ features }: { features: readonly FeatureView[] }) {
  if (features.length === 0) {
    return (
      <Empty>
        No feature yet. <Link href="/setup">Send a first call</Link>, then{" "}
        <code>serinus feature adopt NAME</code>
      </Empty>
    );
  }
  const trouble = (feature: FeatureView) =>
    (feature.killed ? 4 : 0) + ((feature.diagnostics?.length ?? 0) > 0 ? 2 : 0) + (feature.proven ? 0 : 1);
  return (
    <table className="plain stack">
      <thead>
        <tr>
          <th scope="col">Feature</th>
          <th scope="col">Served</th>
          <th scope="col">Since</th>
          <th scope="col">State</th>
        </tr>
      </thead>
      <tbody>
        {[...features]
          .sort((a, b) => trouble(b) - trouble(a) || a.key.localeCompare(b.key))
          .map((feature) => (
            <tr key={feature.key}>
              <th scope="row">
                <Link href={`/f/${encodeURIComponent(feature.key)}`}>{feature.key}</Link>
              </th>
              <td>
                <code>{feature.fingerprint.slice(0, 4)}</code>{" "}
                <span className="muted">{Object.values(feature.control).join("  ")}</span>
              </td>
              <td>{feature.control_since_at ? <Moment at={feature.control_since_at} /> : "–"}</td>
              <td>
                <FeatureTags feature={feature} />
              </td>
            </tr>
          ))}
      </tbody>
    </table>
  );
}

export function FeatureTags({ feature }: { feature: FeatureView }) {
  return (
    <>
      {feature.killed && <span className="tag tag-warn">killed</span>}
      {(feature.diagnostics?.length ?? 0) > 0 && <span className="tag tag-warn">does not compile</span>}
      <span className={feature.proven ? "tag" : "tag tag-warn"}>
        {feature.proven ? "proven" : "not proven"}
      </span>
      {feature.rollout && (
        <Link className="tag" href={`/r/${encodeURIComponent(feature.rollout)}`}>
          {feature.rollout}
        </Link>
      )}
    </>
  );
}
