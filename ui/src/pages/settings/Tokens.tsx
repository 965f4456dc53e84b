// Tokens of applications and pipelines. Refuses to show a secret twice: it is on the page once, where it was made.

import { useState } from "react";
import { post, read } from "../../api/client";
import { environment } from "../../api/environment";
import type { Scope, TokenView } from "../../api/model";
import { useResource } from "../../api/resource";
import { Copy } from "../../parts/Copy";
import { Moment } from "../../parts/Moment";
import { Empty, Loaded } from "../../parts/States";
import { Told } from "../../parts/Told";
import { useCommand } from "../../parts/useCommand";

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

export function Tokens() {
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
