// All artifacts by kind. Refuses to show contents: a series' own page does.

import { Link } from "wouter";
import { read } from "../api/client";
import { useResource } from "../api/resource";
import { Empty, Loaded } from "../parts/States";
import { useTitle } from "../parts/useTitle";
import { plural } from "../view/number";

export function Artifacts() {
  useTitle("Artifacts");
  const reading = useResource(read.artifacts());
  return (
    <section className="panel">
      <h1 className="sentence">Versions of everything that is served</h1>
      <Loaded reading={reading} what="artifacts">
        {({ artifacts }) =>
          artifacts.length === 0 ? (
            <Empty>
              None yet. <code>serinus feature adopt NAME</code> writes down what your application sends as
              version 1.
            </Empty>
          ) : (
            <table className="plain">
              <thead>
                <tr>
                  <th scope="col">Kind</th>
                  <th scope="col">Name</th>
                  <th scope="col">Latest</th>
                </tr>
              </thead>
              <tbody>
                {[...artifacts]
                  .sort((a, b) => a.kind.localeCompare(b.kind) || a.name.localeCompare(b.name))
                  .map(({ kind, name, latest, versions }) => (
                    <tr key={`${kind}/${name}`}>
                      <td>{kind.replace("_", " ")}</td>
                      <th scope="row">
                        <Link href={`/artifacts/${kind}/${name}`}>{name}</Link>
                      </th>
                      <td>
                        @{latest} <span className="muted">of {plural(versions, "version")}</span>
                      </td>
                    </tr>
                  ))}
              </tbody>
            </table>
          )
        }
      </Loaded>
    </section>
  );
}
