// The people of an installation and what each may do, with the links that sign them in. Refuses to show a link twice.

import { useState } from "react";
import { post, read } from "../../api/client";
import { environment } from "../../api/environment";
import type { PersonRole, PersonView } from "../../api/model";
import { useResource } from "../../api/resource";
import { Copy } from "../../parts/Copy";
import { Moment } from "../../parts/Moment";
import { Empty, Loaded } from "../../parts/States";
import { Told } from "../../parts/Told";
import { useCommand } from "../../parts/useCommand";

const ROLES: readonly PersonRole[] = ["viewer", "editor", "operator", "approver", "admin"];

export function People() {
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
