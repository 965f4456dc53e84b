// Who may do what, where, and with which tokens; which environments there are; which nodes and clients follow. Refuses to show a
// secret twice: a link or a token is on the page once, where it was made.

import { useState } from "react";
import { Link } from "wouter";
import { post, read } from "../api/client";
import { enter, environment } from "../api/environment";
import type {
  EnvironmentView,
  NodeView,
  PathDifference,
  PersonRole,
  PersonView,
  Scope,
  TokenView,
} from "../api/model";
import { useResource } from "../api/resource";
import { Copy } from "../parts/Copy";
import { Moment } from "../parts/Moment";
import { Empty, Loaded } from "../parts/States";
import { Told } from "../parts/Told";
import { useCommand } from "../parts/useCommand";
import { useTitle } from "../parts/useTitle";

const ROLES: readonly PersonRole[] = ["viewer", "editor", "operator", "approver", "admin"];
const SCOPES: readonly Scope[] = [
  "evaluate",
  "invoke",
  "record",
  "read",
  "write",
  "operate",
  "approve",
  "admin",
];

export function Settings() {
  useTitle("Settings");
  return (
    <>
      <h1 className="sentence">People, tokens, environments and nodes</h1>
      <People />
      <Tokens />
      <Environments />
      <Nodes />
      <p>
        First call not there yet? <Link href="/setup">Set-up</Link>
      </p>
    </>
  );
}

function People() {
  const reading = useResource(read.people());
  const { busy, told, run } = useCommand();
  const [link, setLink] = useState<string | null>(null);
  const shown = (path: string) => {
    setLink(window.location.origin + path);
    return "the link below signs in once on each browser; it is shown this once";
  };
  return (
    <section className="panel" aria-labelledby="people">
      <h2 id="people">
        People <span className="muted">revisions name them by their handle, never by their address</span>
      </h2>
      <Loaded reading={reading} what="people">
        {({ people }) =>
          people.length === 0 ? (
            <Empty>Nobody was added yet: whoever has the administrator's link is in.</Empty>
          ) : (
            <table className="plain stack">
              <thead>
                <tr>
                  <th scope="col">Handle</th>
                  <th scope="col">Name</th>
                  <th scope="col">May</th>
                  <th scope="col">Added</th>
                  <th scope="col">Do</th>
                </tr>
              </thead>
              <tbody>
                {people.map((person) => (
                  <PersonRow
                    key={person.id}
                    person={person}
                    busy={busy}
                    invite={() =>
                      run(
                        () => post.link(person.id),
                        (made) => shown(made.path),
                      )
                    }
                    toggle={() =>
                      run(
                        () => post.disable(person.id, !person.disabled),
                        () =>
                          person.disabled ? `${person.id} may come in again` : `${person.id} is kept out`,
                      )
                    }
                  />
                ))}
              </tbody>
            </table>
          )
        }
      </Loaded>
      {reading.data && (
        <NewPerson
          key={link}
          busy={busy}
          add={(id, name, email, role) =>
            run(
              () =>
                post.person({
                  id,
                  name: name || null,
                  email: email || null,
                  roles: { [environment()]: role },
                }),
              (made) => shown(made.path),
            )
          }
        />
      )}
      <Told told={told} />
      {link && (
        <p>
          <Copy text={link} />
        </p>
      )}
    </section>
  );
}

type PersonRowProps = { person: PersonView; busy: boolean; invite: () => void; toggle: () => void };

function PersonRow({ person, busy, invite, toggle }: PersonRowProps) {
  return (
    <tr>
      <th scope="row">{person.id}</th>
      <td>
        {person.name} <span className="muted">{person.email}</span>
      </td>
      <td>
        {Object.entries(person.roles).map(([where, role]) => (
          <span key={where} className="tag">
            {role} in {where}
          </span>
        ))}
        {person.disabled && <span className="tag late">kept out</span>}
      </td>
      <td data-label="added">
        <Moment at={person.created_at} />
      </td>
      <td>
        <span className="buttons">
          <button type="button" className="button-small" disabled={busy} onClick={invite}>
            New link
          </button>
          <button type="button" className="button-small" disabled={busy} onClick={toggle}>
            {person.disabled ? "Let in" : "Keep out"}
          </button>
        </span>
      </td>
    </tr>
  );
}

type NewPersonProps = {
  busy: boolean;
  add: (id: string, name: string, email: string, role: PersonRole) => void;
};

function NewPerson({ busy, add }: NewPersonProps) {
  const [id, setId] = useState("");
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<PersonRole>("editor");
  return (
    <form
      className="pickers form"
      onSubmit={(event) => {
        event.preventDefault();
        add(id.trim(), name.trim(), email.trim(), role);
      }}
    >
      <label>
        handle <input required value={id} placeholder="ana" onChange={(event) => setId(event.target.value)} />
      </label>
      <label>
        name <input value={name} placeholder="Ana Silva" onChange={(event) => setName(event.target.value)} />
      </label>
      <label>
        address{" "}
        <input
          type="email"
          value={email}
          placeholder="ana@example.com"
          onChange={(event) => setEmail(event.target.value)}
        />
      </label>
      <label>
        may, in {environment()}{" "}
        <select value={role} onChange={(event) => setRole(event.target.value as PersonRole)}>
          {ROLES.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
      </label>
      <button type="submit" disabled={busy || id.trim() === ""}>
        Add and make a link
      </button>
    </form>
  );
}

function Tokens() {
  const reading = useResource(read.tokens());
  const { busy, told, run } = useCommand();
  const [secret, setSecret] = useState<string | null>(null);
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<readonly Scope[]>(["evaluate", "invoke", "record"]);
  const toggle = (scope: Scope) =>
    setScopes(scopes.includes(scope) ? scopes.filter((one) => one !== scope) : [...scopes, scope]);
  return (
    <section className="panel" aria-labelledby="tokens">
      <h2 id="tokens">
        Tokens <span className="muted">for applications and pipelines, each bound to one environment</span>
      </h2>
      <Loaded reading={reading} what="tokens">
        {({ tokens }) => {
          const shown = tokens.filter((token) => token.person == null && token.revoked_at == null);
          return shown.length === 0 ? (
            <Empty>No token yet. On this machine none is needed until the first is made.</Empty>
          ) : (
            <table className="plain stack">
              <thead>
                <tr>
                  <th scope="col">Token</th>
                  <th scope="col">May</th>
                  <th scope="col">In</th>
                  <th scope="col">Made</th>
                  <th scope="col">Do</th>
                </tr>
              </thead>
              <tbody>
                {shown.map((token) => (
                  <TokenRow
                    key={token.id}
                    token={token}
                    busy={busy}
                    revoke={() =>
                      run(
                        () => post.revokeToken(token.id),
                        () => `${token.name} is revoked`,
                      )
                    }
                  />
                ))}
              </tbody>
            </table>
          );
        }}
      </Loaded>
      {reading.data && (
        <form
          className="pickers form"
          onSubmit={(event) => {
            event.preventDefault();
            run(
              () => post.token({ name: name.trim(), scopes: [...scopes], environment: environment() }),
              (made) => {
                setSecret(made.secret);
                setName("");
                return "the secret below is shown this once";
              },
            );
          }}
        >
          <label>
            for{" "}
            <input
              required
              value={name}
              placeholder="my-app"
              onChange={(event) => setName(event.target.value)}
            />
          </label>
          {SCOPES.map((scope) => (
            <label key={scope} className="pick">
              <input type="checkbox" checked={scopes.includes(scope)} onChange={() => toggle(scope)} />{" "}
              {scope}
            </label>
          ))}
          <button type="submit" disabled={busy || name.trim() === "" || scopes.length === 0}>
            Make a token for {environment()}
          </button>
        </form>
      )}
      <Told told={told} />
      {secret && (
        <p>
          <Copy text={secret} />
        </p>
      )}
    </section>
  );
}

function TokenRow({ token, busy, revoke }: { token: TokenView; busy: boolean; revoke: () => void }) {
  return (
    <tr>
      <th scope="row">{token.name}</th>
      <td>
        {token.scopes.map((scope) => (
          <span key={scope} className="tag">
            {scope}
          </span>
        ))}
      </td>
      <td data-label="in">{token.environment ?? "production"}</td>
      <td data-label="made">
        <Moment at={token.created_at} />
      </td>
      <td>
        <span className="buttons">
          <button type="button" className="button-small" disabled={busy} onClick={revoke}>
            Revoke
          </button>
        </span>
      </td>
    </tr>
  );
}

function Environments() {
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

function Nodes() {
  const nodes = useResource(read.nodes());
  const clients = useResource(read.clients());
  return (
    <section className="panel" aria-labelledby="nodes">
      <h2 id="nodes">Nodes and clients</h2>
      <Loaded reading={nodes} what="nodes">
        {(list) => (
          <ul className="lines">
            {list.nodes.map((node) => (
              <li key={node.node}>
                <NodeLine node={node} head={list.head} />
              </li>
            ))}
          </ul>
        )}
      </Loaded>
      <Loaded reading={clients} what="clients">
        {(list) => (
          <>
            <p>
              {list.connected} {list.connected === 1 ? "client follows" : "clients follow"} this node in
              process
            </p>
            <ul className="lines">
              {list.clients.map((client) => (
                <li key={client.client}>
                  <b>{client.client}</b> serves revision {client.revision} of {list.head}
                  {client.refusal && <span className="late">: {client.refusal}</span>}
                  <span className="muted">
                    {" "}
                    {client.connected ? "connected" : "away"}, heard <Moment at={client.seen_at} />
                  </span>
                </li>
              ))}
            </ul>
          </>
        )}
      </Loaded>
    </section>
  );
}

function NodeLine({ node, head }: { node: NodeView; head: number }) {
  return (
    <>
      <b>{node.node}</b> serves revision {node.revision} of {head}
      {node.refusal && <span className="late">: {node.refusal}</span>}
      <span className="muted">
        {" "}
        since <Moment at={node.activated_at} />, heard <Moment at={node.seen_at} />
      </span>
    </>
  );
}
