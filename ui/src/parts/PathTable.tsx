// What differs between two documents, a line for each place. Refuses to know what the documents are.

import { type PathChange, valueText } from "../view/paths";

export function PathTable({ changes }: { changes: readonly PathChange[] }) {
  if (changes.length === 0) return <p className="muted">No difference.</p>;
  return (
    <table className="plain stack paths">
      <thead>
        <tr>
          <th scope="col">Where</th>
          <th scope="col">Before</th>
          <th scope="col">After</th>
        </tr>
      </thead>
      <tbody>
        {changes.map(({ path, before, after }) => (
          <tr key={path}>
            <td>{path === "" ? "all of it" : <code>{path}</code>}</td>
            <td className="words" data-label="before">
              {before == null ? <Absent /> : <del>{valueText(before)}</del>}
            </td>
            <td className="words" data-label="after">
              {after == null ? <Absent /> : <ins>{valueText(after)}</ins>}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Absent() {
  return <span className="muted">not there</span>;
}
