// Which commands a rollout takes in which phase, in the words of the command line. Refuses to carry one out.

import type { Phase } from "../api/model";

export type Verb = "rollback" | "hold" | "resume" | "advance" | "rearm";
export type Action = { verb: Verb; label: string; title: string };

const BACK: Action = { verb: "rollback", label: "Roll back", title: "take the change back everywhere" };
const HOLD: Action = { verb: "hold", label: "Hold", title: "freeze the share; enrolment goes on" };
const RESUME: Action = { verb: "resume", label: "Resume", title: "go on from where it was held" };
const ADVANCE: Action = {
  verb: "advance",
  label: "Advance",
  title: "to the next stage, whatever its gate says",
};
const REARM: Action = {
  verb: "rearm",
  label: "Rearm",
  title: "lift the latch, so that the same change may start again",
};

/** The commands, the most urgent first. */
export function actionsFor(phase: Phase, rearmed: boolean): Action[] {
  switch (phase) {
    case "running":
      return [BACK, HOLD, ADVANCE];
    case "held":
      return [BACK, RESUME, ADVANCE];
    case "completed":
      return [BACK];
    case "rolled_back":
      return rearmed ? [] : [REARM];
    case "draft":
    case "validated":
    case "cancelled":
      return [];
  }
}
