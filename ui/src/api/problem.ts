// A refusal of the server as an error to show. Refuses to explain it further: the server's text names the way out.

import type { Problem } from "./model";

export class ApiProblem extends Error {
  readonly status: number;
  /** Whole where the server refused; partial where something before it did. */
  readonly problem: Partial<Problem>;

  constructor(status: number, problem: Partial<Problem>) {
    super(problem.detail ?? problem.title ?? `the server answered ${status}`);
    this.name = "ApiProblem";
    this.status = status;
    this.problem = problem;
  }
}

/** The answer's data, or its refusal thrown. */
export function unwrap<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (answer.response.ok && answer.data !== undefined) return answer.data;
  throw new ApiProblem(answer.response.status, toProblem(answer.error, answer.response.status));
}

/** Of an answer without data: its refusal thrown. */
export function done(answer: { error?: unknown; response: Response }): void {
  if (!answer.response.ok) {
    throw new ApiProblem(answer.response.status, toProblem(answer.error, answer.response.status));
  }
}

/** What a command comes to in a protected environment: it waits for a second person. */
export type Waits = { proposal: number; url: string };

/** Whether an answer says that its command waits. */
export function waits(answer: unknown): Waits | null {
  if (typeof answer !== "object" || answer === null || !("proposal" in answer)) return null;
  const { proposal } = answer;
  return typeof proposal === "number" ? { proposal, url: `/p/${proposal}` } : null;
}

function toProblem(error: unknown, status: number): Partial<Problem> {
  if (typeof error === "object" && error !== null) return error as Partial<Problem>;
  if (typeof error === "string" && error.length > 0 && error.length < 500) return { status, detail: error };
  return { status, detail: `the server answered ${status} without saying why; its log has more` };
}

/** A text that never reached the server, because it cannot be read. */
export class UnreadableText extends Error {}

/** Any failure as one sentence; a failed fetch says only "Failed to fetch", which helps nobody. */
export function failureText(failure: unknown): string {
  if (failure instanceof ApiProblem) {
    const { winner } = failure.problem;
    const won = winner ? ` (revision ${winner.number} by ${winner.actor} was first: ${winner.message})` : "";
    return `${failure.message}${won}`;
  }
  if (failure instanceof UnreadableText) return `this text cannot be read: ${failure.message}`;
  return "the server does not answer; check that it runs, this page tries again by itself";
}
