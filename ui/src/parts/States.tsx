// What stands where there is nothing to show yet, or nothing could be read: each says what to do. Refuses to be blank.

import type { ReactNode } from "react";
import { ApiProblem, failureText } from "../api/problem";
import type { Reading } from "../api/resource";

/** The data of a reading, or what stands in its place. */
export function Loaded<T>({
  reading,
  what,
  children,
}: {
  reading: Reading<T>;
  what: string;
  children: (data: T) => ReactNode;
}) {
  const { data, failure, refresh } = reading;
  if (data === undefined) {
    return failure === undefined ? (
      <Loading what={what} />
    ) : (
      <Failure failure={failure} what={what} again={refresh} />
    );
  }
  return (
    <>
      {failure !== undefined && <Stale failure={failure} />}
      {children(data)}
    </>
  );
}

export function Empty({ children }: { children: ReactNode }) {
  return <p className="empty">{children}</p>;
}

function Loading({ what }: { what: string }) {
  return (
    <p className="empty" role="status">
      Reading {what}. If this stays, the server is slow or away: see its terminal.
    </p>
  );
}

function Stale({ failure }: { failure: unknown }) {
  return (
    <p className="notice notice-warn" role="status">
      Showing the last answer: {failureText(failure)}.
    </p>
  );
}

function Failure({ failure, what, again }: { failure: unknown; what: string; again: () => void }) {
  const status = failure instanceof ApiProblem ? failure.status : 0;
  if (status === 401) return <SignIn />;
  // Not theirs to see: nothing is wrong, and trying again changes nothing.
  if (status === 403) return <Empty>{failureText(failure)}</Empty>;
  return (
    <section className="panel" role="alert">
      <h1 className="sentence">{status === 404 ? "There is no such thing." : `Could not read ${what}.`}</h1>
      <p>{failureText(failure)}</p>
      <p>
        <button type="button" onClick={again}>
          Try again
        </button>
      </p>
    </section>
  );
}

function SignIn() {
  return (
    <section className="panel" role="alert">
      <h1 className="sentence">Sign in with the link from the terminal.</h1>
      <p>
        <code>serinus serve</code> prints the dashboard's address with a key in it (<code>#k=…</code>). Open
        that link once in this browser. With a token of your own: append <code>#k=srn_…</code> to this page's
        address.
      </p>
    </section>
  );
}
