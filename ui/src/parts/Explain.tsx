// Who is asking, and every step from there to what they get, the deciding one marked. Refuses to decide: the steps are the server's,
// taken by the code that serves.

import { useState } from "react";
import type { Context, StepView } from "../api/model";
import { attributes } from "../view/flag";
import { valueText } from "../view/paths";
import { Told } from "./Told";
import { useCommand } from "./useCommand";

type Answer = {
  decision: { variant?: string | null; value?: unknown; reason: string; revision: number };
  steps: readonly StepView[];
};

export function Explain({ explain }: { explain: (context: Context) => Promise<Answer> }) {
  const [user, setUser] = useState("");
  const [session, setSession] = useState("");
  const [text, setText] = useState("");
  const [answer, setAnswer] = useState<Answer | null>(null);
  const { busy, told, run } = useCommand();
  const ask = () =>
    run(
      () =>
        explain({
          user: user.trim() || null,
          session: session.trim() || null,
          attributes: attributes(text) as NonNullable<Context["attributes"]>,
        }),
      (explanation) => {
        setAnswer(explanation);
        const { variant, value, reason } = explanation.decision;
        const what = variant ?? "the caller's own default";
        return `${what}${value == null ? "" : ` (${valueText(value)})`}, because: ${reason.replaceAll("_", " ")}`;
      },
    );
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        ask();
      }}
    >
      <p className="pickers">
        <label>
          user <input value={user} placeholder="user-1" onChange={(event) => setUser(event.target.value)} />
        </label>
        <label>
          session{" "}
          <input value={session} placeholder="s-1" onChange={(event) => setSession(event.target.value)} />
        </label>
      </p>
      <label className="field">
        attributes, one a line
        <textarea
          rows={3}
          placeholder={"plan=pro\ncountry=DE"}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </label>
      <p className="buttons">
        <button type="submit" disabled={busy}>
          Explain
        </button>
      </p>
      <Told told={told} />
      {answer && (
        <ol className="steps">
          {answer.steps.map((step, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: steps have an order and no name of their own.
            <li key={at} className={at === answer.steps.length - 1 ? "step-last" : undefined}>
              <span className="tag">{step.step}</span> {step.subject} <b>{step.outcome}</b>{" "}
              <span className="muted">{step.detail}</span>
            </li>
          ))}
        </ol>
      )}
    </form>
  );
}
