// What became of the last command. Refuses to stay silent about a refusal.

import { Link } from "wouter";
import type { Told as Outcome } from "./useCommand";

export function Told({ told }: { told: Outcome | null }) {
  if (!told) return null;
  return (
    <p className={told.failed ? "notice notice-warn" : "notice"} role={told.failed ? "alert" : "status"}>
      {told.text}
      {told.waits && (
        <>
          {": "}
          <Link href={told.waits.url}>look at it</Link>
        </>
      )}
    </p>
  );
}
