// One command at a time and what became of it as a sentence. Refuses to guess: it tells what the server answered.

import { useState } from "react";
import { failureText, type Waits, waits } from "../api/problem";
import { refreshAll } from "../api/resource";

export type Told = { failed: boolean; text: string; waits: Waits | null };

export function useCommand(): {
  busy: boolean;
  told: Told | null;
  run: <T>(command: () => Promise<T>, say: (answer: T) => string) => void;
} {
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState<Told | null>(null);
  const run = <T>(command: () => Promise<T>, say: (answer: T) => string) => {
    setBusy(true);
    command()
      .then((answer) => {
        const waiting = waits(answer);
        const isCommandThatWaits = waiting !== null && !("state" in (answer as object));
        setTold({
          failed: false,
          text: isCommandThatWaits ? `proposal ${waiting.proposal} waits for a second person` : say(answer),
          waits: isCommandThatWaits ? waiting : null,
        });
      })
      .catch((failure: unknown) => setTold({ failed: true, text: failureText(failure), waits: null }))
      .finally(() => {
        setBusy(false);
        refreshAll();
      });
  };
  return { busy, told, run };
}
