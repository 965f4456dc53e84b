// The worst answers of a rollout's candidate, each with the reason it was scored so. Refuses to rank them itself.

import { Link } from "wouter";
import type { InteractionView } from "../api/model";
import { answerMissing, excerpt, lowestScore, troubleText } from "../view/interaction";
import { Empty } from "./States";

export function Worst({ worst, rollout }: { worst: readonly InteractionView[]; rollout: string }) {
  if (worst.length === 0) {
    return (
      <Empty>
        Nothing to show: no answer of the candidate failed, was refused by its parser or scored low so far.
      </Empty>
    );
  }
  return (
    <>
      <ul className="worst">
        {worst.slice(0, 6).map((view) => (
          <WorstItem key={view.record.id} view={view} />
        ))}
      </ul>
      <p>
        <Link href={`/interactions?rollout=${encodeURIComponent(rollout)}&arm=candidate`}>
          All of the candidate's worst
        </Link>
      </p>
    </>
  );
}

function WorstItem({ view }: { view: InteractionView }) {
  const { record } = view;
  const score = lowestScore(view);
  return (
    <li>
      <p className="worst-head">
        <b>{troubleText(view)}</b>
        {record.category && <span className="tag">{record.category}</span>}
        <Link
          href={`/interactions?id=${encodeURIComponent(record.id)}`}
          aria-label={`open interaction ${record.id}`}
        >
          open
        </Link>
      </p>
      <blockquote className="question">
        {view.question ? excerpt(view.question, 200) : "the question was not captured"}
      </blockquote>
      <blockquote className="answer">
        {view.answer ? excerpt(view.answer, 280) : answerMissing(view)}
      </blockquote>
      {score?.reason && <p className="reason">{score.reason}</p>}
    </li>
  );
}
