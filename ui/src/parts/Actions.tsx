// The buttons of a rollout and what became of the last press. One press, no dialog. Refuses to guess: it shows the server's answer.

import { useState } from "react";
import { post } from "../api/client";
import type { Phase, RollbackAnswer, RolloutView } from "../api/model";
import { ApiProblem, failureText } from "../api/problem";
import { refreshAll } from "../api/resource";
import { actionsFor, type Verb } from "../view/action";
import { activationText, reachText } from "../view/sentence";

type Outcome =
  | { kind: "back"; answer: RollbackAnswer }
  | { kind: "moved"; text: string }
  | { kind: "failed"; text: string; code: string | null };

/** The press of one button at a time, and its outcome. */
function usePress(): {
  busy: boolean;
  outcome: Outcome | null;
  press: (command: () => Promise<Outcome>) => void;
} {
  const [busy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const press = (command: () => Promise<Outcome>) => {
    setBusy(true);
    command()
      .then(setOutcome)
      .catch((failure: unknown) => {
        const code = failure instanceof ApiProblem ? (failure.problem.code ?? null) : null;
        setOutcome({ kind: "failed", text: failureText(failure), code });
      })
      .finally(() => {
        setBusy(false);
        refreshAll();
      });
  };
  return { busy, outcome, press };
}

const rollBack = (subject: string) => async (): Promise<Outcome> => ({
  kind: "back",
  answer: await post.rollback(subject),
});

const move = (rollout: string, verb: Exclude<Verb, "rollback">) => async (): Promise<Outcome> => {
  const answer = await post.move(rollout, verb);
  return { kind: "moved", text: `${verb}: ${activationText(answer.revision, answer.activation)}` };
};

export function RolloutActions({ view }: { view: RolloutView }) {
  const { busy, outcome, press } = usePress();
  const target = view.change.map(({ layer, from }) => from ?? `no ${layer}`).join(", ");
  return (
    <section className="actions" aria-label="commands">
      <p className="buttons">
        {actionsFor(view.phase, view.rolled_back?.rearmed ?? false).map(({ verb, label, title }) => (
          <button
            key={verb}
            type="button"
            className={verb === "rollback" ? "button-main" : undefined}
            title={verb === "rollback" ? `back to ${target}` : title}
            disabled={busy}
            onClick={() => press(verb === "rollback" ? rollBack(view.key) : move(view.key, verb))}
          >
            {verb === "rollback" ? `Roll back ${view.key}` : label}
          </button>
        ))}
      </p>
      <Result outcome={outcome} phase={view.phase} rollout={view.key} target={target} />
    </section>
  );
}

/** The one button of a feature's page. */
export function FeatureRollback({ rollout, target }: { rollout: string; target: string }) {
  const { busy, outcome, press } = usePress();
  return (
    <section className="actions" aria-label="commands">
      <p className="buttons">
        <button
          type="button"
          className="button-main"
          disabled={busy}
          onClick={() => press(rollBack(rollout))}
        >
          Roll back {rollout}
        </button>
      </p>
      <Result outcome={outcome} phase="running" rollout={rollout} target={target} />
    </section>
  );
}

type ResultProps = { outcome: Outcome | null; phase: Phase; rollout: string; target: string };

function Result({ outcome, phase, rollout, target }: ResultProps) {
  return (
    <div className="result" aria-live="polite">
      {outcome === null && <Hint phase={phase} rollout={rollout} target={target} />}
      {outcome?.kind === "moved" && <p className="notice">{outcome.text}</p>}
      {outcome?.kind === "failed" && (
        <p className="notice notice-warn">
          Not done: {outcome.text}
          {outcome.code && <code> {outcome.code}</code>}
        </p>
      )}
      {outcome?.kind === "back" && <BackResult answer={outcome.answer} />}
    </div>
  );
}

function Hint({ phase, rollout, target }: Omit<ResultProps, "outcome">) {
  if (phase === "rolled_back" || phase === "cancelled") return null;
  return (
    <p className="muted small">
      <code>serinus rollback {rollout}</code> → {target}
    </p>
  );
}

function BackResult({ answer }: { answer: RollbackAnswer }) {
  const laggards = answer.activation?.laggards ?? [];
  return (
    <dl className="notice printout">
      <dt>done</dt>
      <dd data-testid="in-effect">{activationText(answer.revision, answer.activation)}</dd>
      <dt>reach</dt>
      <dd>{reachText(answer.reach, answer.open_sessions)}</dd>
      {laggards.length > 0 && (
        <>
          <dt>late</dt>
          <dd>{laggards.join(", ")}</dd>
        </>
      )}
      {answer.warnings.map((warning) => (
        <div key={warning}>
          <dt>note</dt>
          <dd>{warning}</dd>
        </div>
      ))}
      <dt>locked</dt>
      <dd>
        {answer.rollout} stays off until <code>serinus rollout rearm {answer.rollout}</code>
      </dd>
    </dl>
  );
}
