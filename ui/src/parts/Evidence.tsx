// The evidence that a revision carries: what the decision saw, as a table. Refuses to draw: it must print and copy well.

import type { Evidence as EvidenceShape, GuardrailEvidence } from "../api/model";
import { differenceText, intervalText, limitText, words } from "../view/metric";
import { count, evidence, percent } from "../view/number";

export function EvidenceTable({ seen }: { seen: EvidenceShape }) {
  const rows = [...seen.guardrails].sort((a, b) => b.log_e - a.log_e);
  return (
    <>
      <p>
        E <b>{evidence(seen.e)}</b>, of those that only hold {evidence(seen.e_hold)};{" "}
        {count(seen.enrolled.control)} control and {count(seen.enrolled.candidate)} candidate units enrolled;
        analysis version {seen.analysis_version}.
      </p>
      <table className="plain">
        <thead>
          <tr>
            <th scope="col">Guardrail</th>
            <th scope="col">Difference, interval</th>
            <th scope="col">Limit</th>
            <th scope="col" className="num">
              E · weight
            </th>
            <th scope="col" className="num" title="units: control / candidate">
              n
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <EvidenceRow key={`${row.metric}/${row.category ?? ""}/${limitText(row.limit)}`} row={row} />
          ))}
        </tbody>
      </table>
    </>
  );
}

function EvidenceRow({ row }: { row: GuardrailEvidence }) {
  return (
    <tr className={row.blamed ? "state-blamed" : undefined}>
      <th scope="row">
        {words(row.metric).label}
        {row.category && <span className="muted"> in {row.category}</span>}
        {row.blamed && <span className="tag">blamed</span>}
      </th>
      <td>
        <b>{differenceText(row.metric, row.effect.difference)}</b>{" "}
        <span className="muted">{intervalText(row.metric, row.effect.lower, row.effect.upper)}</span>
      </td>
      <td>{limitText(row.limit)}</td>
      <td className="num">
        {evidence(Math.exp(row.log_e))} <span className="muted">· {percent(row.weight)}</span>
      </td>
      <td className="num">
        {count(row.effect.control_units)} / {count(row.effect.candidate_units)}
      </td>
    </tr>
  );
}
