// Which environments there are, whether a change waits in them, and what two of them do not have alike. Refuses to edit what is in one.

import { useState } from "react";
import { post, read } from "../../api/client";
import { enter, environment } from "../../api/environment";
import type { EnvironmentView, PathDifference } from "../../api/model";
import { useResource } from "../../api/resource";
import { Empty, Loaded } from "../../parts/States";
import { Told } from "../../parts/Told";
import { useCommand } from "../../parts/useCommand";

export function Environments() {
  const reading = useResource(read.environments());
  const { busy, told, run } = useCommand();
  const [key, setKey] = useState("");
  const { data: session } = useResource(read.session());
  const isAdmin = session?.scopes.includes("admin") ?? false;
  return (
    <section className="panel" aria-labelledby="environments">
      <h2 id="environments">
        Environments <span className="muted">each with a configuration and data of its own</span>
      </h2>
      <Loaded reading={reading} what="environments">
        {({ environments }) => (
          <>
            <table className="plain stack">
              <thead>
                <tr>
                  <th scope="col">Environment</th>
                  <th scope="col">Revision</th>
                  <th scope="col">A change</th>
                  <th scope="col">Do</th>
                </tr>
              </thead>
              <tbody>
                {environments.map((one) => (
                  <EnvironmentRow
                    key={one.key}
                    view={one}
                    busy={busy}
                    isAdmin={isAdmin}
                    protect={() =>
                      run(
                        () => post.protect(one.key, !one.protected),
                        () => (one.protected ? `${one.key} is open` : `${one.key} is protected`),
                      )
                    }
                  />
                ))}
              </tbody>
            </table>
            {environments.length > 1 && <Between keys={environments.map((one) => one.key)} />}
          </>
        )}
      </Loaded>
      {isAdmin && (
        <form
          className="pickers form"
          onSubmit={(event) => {
            event.preventDefault();
            run(
              () => post.environment(key.trim(), {}),
              () => {
                setKey("");
                return `${key.trim()} is there`;
              },
            );
          }}
        >
          <label>
            another{" "}
            <input
              required
              value={key}
              placeholder="staging"
              onChange={(event) => setKey(event.target.value)}
            />
          </label>
          <button type="submit" disabled={busy || key.trim() === ""}>
            Make it
          </button>
        </form>
      )}
      <Told told={told} />
    </section>
  );
}

type EnvironmentRowProps = {
  view: EnvironmentView;
  busy: boolean;
  isAdmin: boolean;
  protect: () => void;
};

function EnvironmentRow({ view, busy, isAdmin, protect }: EnvironmentRowProps) {
  const here = view.key === environment();
  const many = Math.max(1, view.approvals_min);
  return (
    <tr>
      <th scope="row">
        {view.key}
        {here && <span className="tag">here</span>}
      </th>
      <td data-label="revision">{view.revision}</td>
      <td data-label="a change">
        {view.protected
          ? `waits for ${many === 1 ? "a second person" : `${many} others`}; rollback, kill and hold never wait`
          : "is in effect at once"}
      </td>
      <td>
        <span className="buttons">
          {!here && (
            <button type="button" className="button-small" onClick={() => enter(view.key)}>
              Go there
            </button>
          )}
          {isAdmin && (
            <button type="button" className="button-small" disabled={busy} onClick={protect}>
              {view.protected ? "Open it" : "Protect it"}
            </button>
          )}
        </span>
      </td>
    </tr>
  );
}

/** What two environments do not have alike, and the way to carry it over. */
function Between({ keys }: { keys: readonly string[] }) {
  const [from, setFrom] = useState(keys.find((key) => key !== "production") ?? "");
  const [to, setTo] = useState("production");
  const reading = useResource(read.environmentDiff(from, to));
  const { busy, told, run } = useCommand();
  const pick = (value: string, set: (key: string) => void, label: string) => (
    <label>
      {label}{" "}
      <select value={value} onChange={(event) => set(event.target.value)}>
        {keys.map((key) => (
          <option key={key}>{key}</option>
        ))}
      </select>
    </label>
  );
  return (
    <>
      <h3>What differs</h3>
      <p className="pickers">
        {pick(from, setFrom, "from")} {pick(to, setTo, "to")}
      </p>
      <Loaded reading={reading} what="the difference">
        {({ differences }) =>
          differences.length === 0 ? (
            <Empty>Nothing: they are alike.</Empty>
          ) : (
            <ul className="lines">
              {differences.map((one) => (
                <li key={one.key}>
                  <code>{one.key}</code>{" "}
                  <span className="muted small">{onlyIn(one.paths, from, to) ?? placesText(one.paths)}</span>{" "}
                  {isCopied(one.key) && onlyIn(one.paths, from, to) !== `only in ${to}` && (
                    <button
                      type="button"
                      className="button-small"
                      disabled={busy}
                      onClick={() =>
                        run(
                          () => post.copy(from, to, [one.key], false),
                          (answer) => `${one.key} is in ${to} as revision ${answer.revision ?? "before"}`,
                        )
                      }
                    >
                      Copy to {to}
                    </button>
                  )}
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
      <Told told={told} />
    </>
  );
}

/** Artifacts come along with what uses them. */
function isCopied(key: string): boolean {
  return /^(feature|flag|segment)\//.test(key);
}

/** Which one has a document that the other has not. */
function onlyIn(paths: readonly PathDifference[], from: string, to: string): string | null {
  const [whole] = paths;
  if (whole?.path !== "") return null;
  if (whole.before == null) return `only in ${to}`;
  return whole.after == null ? `only in ${from}` : null;
}

function placesText(paths: readonly PathDifference[]): string {
  return paths.map(({ path }) => path || "all of it").join(", ");
}
