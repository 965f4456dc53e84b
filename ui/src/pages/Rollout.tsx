// The page of one rollout: the verdict and the buttons first, the evidence second, how it came about third.
// Refuses to decide: every word of judgement on it is the server's.

import { useState } from "react";
import { Link } from "wouter";
import { read } from "../api/client";
import type { Report, RolloutView } from "../api/model";
import { useResource } from "../api/resource";
import { RolloutActions } from "../parts/Actions";
import { Arms, CategoryHeat } from "../parts/Arms";
import { EventLog } from "../parts/EventLog";
import { Exposure } from "../parts/Exposure";
import { Forest } from "../parts/Forest";
import { Fuse } from "../parts/Fuse";
import { HarmChart } from "../parts/HarmChart";
import { MetricChart } from "../parts/MetricChart";
import { Moment } from "../parts/Moment";
import { Shadow } from "../parts/Shadow";
import { StageBar } from "../parts/StageBar";
import { Empty, Loaded } from "../parts/States";
import { useTitle } from "../parts/useTitle";
import { Worst } from "../parts/Worst";
import { forest } from "../view/forest";
import { fuseOf, fuseWhenTakenBack, RESUME_LIMIT, shadowLimit } from "../view/fuse";
import { evidence } from "../view/number";
import { HOLDS, reachText, rolloutSentence, sentenceParts } from "../view/sentence";
import { stageMarks } from "../view/stage";

type Chosen = { metric: string; category: string | null };

export function Rollout({ rollout }: { rollout: string }) {
  useTitle(rollout);
  const view = useResource(read.rollout(rollout));
  const report = useResource(read.report(rollout));
  return (
    <Loaded reading={view} what={`rollout ${rollout}`}>
      {(shown) => (
        <>
          <First view={shown} harm={report.data?.harm ?? []} />
          <Evidence view={shown} report={report.data} />
          <Loaded reading={report} what="its report">
            {(data) => <Third view={shown} report={data} />}
          </Loaded>
        </>
      )}
    </Loaded>
  );
}

function First({ view, harm }: { view: RolloutView; harm: Report["harm"] }) {
  const fuse = fuseOf(view);
  const then = fuseWhenTakenBack(view, harm);
  const [verdict, figures] = sentenceParts(rolloutSentence(view));
  return (
    <section className="panel first" aria-label="verdict">
      <p className="crumb">
        <b>{view.key}</b>
        <span className={`tag phase-${view.phase}`}>{view.phase.replace("_", " ")}</span>
        {view.started_at && (
          <span className="muted">
            started <Moment at={view.started_at} />
          </span>
        )}
        {view.spec.author && <span className="muted">by {view.spec.author}</span>}
      </p>
      <h1 className="sentence" aria-live="polite">
        {verdict}
        {figures && <span className="figures"> {figures}</span>}
      </h1>
      <div className="first-act">
        <RolloutActions view={view} />
        <div>
          <Fuse {...fuse} e={then ?? fuse.e} acts={then === null ? undefined : "when it was taken back"} />
          <Asking view={view} />
        </div>
      </div>
      <StageBar view={view} />
      <Why view={view} />
      <Change view={view} />
    </section>
  );
}

/** Guardrails that only hold have a pool of their own, which never takes anything back. */
function Asking({ view }: { view: RolloutView }) {
  const e = view.evidence?.e_hold ?? 0;
  if (e < RESUME_LIMIT) return null;
  return (
    <p className="small muted">
      of guardrails that only hold: E <b>{evidence(e)}</b>, hold at {view.e_limit.toFixed(0)}
    </p>
  );
}

/** What its sentence leaves out of why it stands where it stands. */
function Why({ view }: { view: RolloutView }) {
  const missing = view.gate?.missing ?? [];
  const { hold, rolled_back: back } = view;
  return (
    <>
      {hold && (
        <p className="muted">
          Held since <Moment at={hold.since_at} />: {HOLDS[hold.reason]}
        </p>
      )}
      {back && (
        <p className="muted">
          Taken back <Moment at={back.rolled_back_at} />, reaching {reachText(back.reach, null)}.{" "}
          {back.rearmed ? "The latch has been lifted." : "The same change stays off until it is rearmed."}
        </p>
      )}
      {missing.length > 0 && <p className="muted">To go on it needs {missing.join("; ")}.</p>}
    </>
  );
}

function Change({ view }: { view: RolloutView }) {
  return (
    <p className="changes">
      {view.change.map(({ feature, layer, from, to }) => (
        <span key={`${feature}.${layer}`} className="change">
          <Link href={`/f/${encodeURIComponent(feature)}`}>{feature}</Link>{" "}
          <span className="muted">{from ?? "nothing"} →</span>{" "}
          <ArtifactLink reference={to ?? null} from={from ?? null} />
        </span>
      ))}
      {view.spec.message && <span className="muted">“{view.spec.message}”</span>}
    </p>
  );
}

function ArtifactLink({ reference, from }: { reference: string | null; from: string | null }) {
  const match = /^([^/]+)\/(.+)@(\d+)$/.exec(reference ?? "");
  if (!match) return <>{reference ?? "nothing"}</>;
  const [, kind, name, version] = match;
  const before = /@(\d+)$/.exec(from ?? "")?.[1];
  return (
    <Link
      href={`/artifacts/${kind}/${name}?to=${version}${before ? `&from=${before}` : ""}`}
      title="word diff"
    >
      {reference}
    </Link>
  );
}

function Evidence({ view, report }: { view: RolloutView; report: Report | undefined }) {
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const guardrails = view.evidence?.guardrails ?? [];
  const worst = forest(guardrails)[0]?.metrics[0];
  const worstRow = worst && (worst.hurts ? (worst.categories[0] ?? worst.row) : worst.row);
  const current = chosen ?? (worstRow ? { metric: worstRow.metric, category: worstRow.category } : null);
  const marks = stageMarks(view);
  const shadow = view.evidence?.shadow;
  const exposed = (view.evidence?.enrolled.candidate ?? 0) > 0;
  return (
    <>
      {shadow && (
        <section className="panel" aria-labelledby="shadow">
          <h2 id="shadow">Shadow: the same questions, both answers</h2>
          <Shadow shadow={shadow} limit={shadowLimit(view)} />
        </section>
      )}
      <section className="panel" aria-labelledby="guardrails">
        <h2 id="guardrails">
          Guardrails{" "}
          <span className="muted">candidate minus control, each in its own margins, worst first</span>
        </h2>
        {guardrails.length === 0 || !exposed ? (
          <Empty>No unit is in the candidate yet. Effects appear here with the first matured ones.</Empty>
        ) : (
          <>
            <Forest guardrails={guardrails} chosen={current} choose={setChosen} />
            <p className="muted">
              Means are plain averages of the arms. The difference weighs each stage by its split, so while a
              share grows the two need not subtract.
            </p>
          </>
        )}
        <Problems problems={view.evidence?.problems ?? []} />
      </section>
      {report && (
        <div className="columns">
          <section className="panel" aria-labelledby="series">
            <h2 id="series">
              Interval over time <span className="muted">difference, confidence sequence, UTC</span>
            </h2>
            <MetricChart
              series={report.series}
              guardrails={guardrails}
              chosen={current}
              choose={setChosen}
              marks={marks}
            />
          </section>
          <section className="panel" aria-labelledby="harm">
            <h2 id="harm">
              Evidence of harm over time <span className="muted">all guardrails, log scale, UTC</span>
            </h2>
            <HarmChart harm={report.harm} limit={fuseOf(view).limit} marks={marks} />
          </section>
        </div>
      )}
    </>
  );
}

function Problems({ problems }: { problems: readonly string[] }) {
  if (problems.length === 0) return null;
  return (
    <ul className="notice notice-warn">
      {problems.map((problem) => (
        <li key={problem}>{problem}</li>
      ))}
    </ul>
  );
}

function Third({ view, report }: { view: RolloutView; report: Report }) {
  return (
    <>
      <div className="columns">
        <section className="panel" aria-labelledby="arms">
          <h2 id="arms">Arms side by side</h2>
          <Arms arms={report.arms} />
        </section>
        <section className="panel" aria-labelledby="categories">
          <h2 id="categories">By category</h2>
          <CategoryHeat arms={report.arms} />
        </section>
      </div>
      <section className="panel" aria-labelledby="worst">
        <h2 id="worst">Worst answers of the candidate</h2>
        <Worst worst={report.worst} rollout={view.key} />
      </section>
      <div className="columns columns-wide">
        <section className="panel" aria-labelledby="events">
          <h2 id="events">What happened</h2>
          <EventLog events={report.events} />
        </section>
        <section className="panel" aria-labelledby="exposure">
          <h2 id="exposure">Exposure</h2>
          <Exposure exposure={report.exposure} endedAt={view.rolled_back?.rolled_back_at ?? null} />
        </section>
      </div>
    </>
  );
}
