// A rollout's stages as a row of segments. Refuses to move them.

import type { Phase, RolloutSummary, RolloutView, StageKind } from "../api/model";
import { KINDS, type Segment, segments, stageLabel } from "../view/stage";

const SIGNS: Record<Segment["status"], string> = {
  done: "\u2713",
  current: "\u25b6",
  next: "",
  skipped: "\u2013",
};

/** The full bar of a rollout's page. */
export function StageBar({ view }: { view: RolloutView }) {
  const stopped = view.phase === "rolled_back" || view.phase === "held" || view.phase === "cancelled";
  return (
    <ol className="stages" aria-label="stages">
      {segments(view).map((segment) => (
        <li
          key={segment.kind}
          className={`stage stage-${segment.status}${segment.status === "current" && stopped ? " stage-stopped" : ""}`}
          aria-current={segment.status === "current" ? "step" : undefined}
        >
          <svg className="stage-fill" width="100%" height="6" aria-hidden="true">
            <rect className="stage-track" width="100%" height="6" rx="3" />
            <rect className="stage-part" width={`${segment.filled * 100}%`} height="6" rx="3" />
          </svg>
          <span className="stage-name">
            <span aria-hidden="true">{signOf(segment, view.phase)}</span> {segment.label} {segment.share}
          </span>
          <span className="stage-detail muted">{segment.detail}</span>
        </li>
      ))}
    </ol>
  );
}

function signOf(segment: Segment, phase: Phase): string {
  if (segment.status !== "current") return SIGNS[segment.status];
  if (phase === "rolled_back") return "\u21a9";
  return phase === "held" ? "\u2016" : SIGNS.current;
}

/** Four small segments for a list: those before the present one are full, it is marked, the rest are empty. */
export function StageSegments({ summary }: { summary: RolloutSummary }) {
  const kind = summary.stage ?? null;
  const label = kind === null ? "not started" : `in ${stageLabel(kind)}`;
  return (
    <svg
      className={`segments segments-${summary.phase}`}
      width="100%"
      height="10"
      role="img"
      aria-label={label}
    >
      <title>{label}</title>
      {KINDS.map((name, i) => (
        <rect
          key={name}
          className={segmentClass(summary, name, i)}
          x={`${i * 25 + 0.4}%`}
          width="24.2%"
          y="1"
          height="8"
          rx="2"
        />
      ))}
    </svg>
  );
}

function segmentClass({ phase, stage, stages }: RolloutSummary, kind: StageKind, index: number): string {
  const at = stage ? KINDS.indexOf(stage) : -1;
  if (!stages.includes(kind)) return "segment-absent";
  if (phase === "completed" || index < at) return "segment-done";
  return index === at ? "segment-current" : "segment-next";
}
