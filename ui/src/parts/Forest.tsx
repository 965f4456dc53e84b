// The forest plot: every guardrail's effect, interval and margin on one axis, worst first. Refuses to reorder or judge.

import { useState } from "react";
import type { GuardrailEvidence } from "../api/model";
import { AXIS_MARGINS, type ForestMetric, type ForestRow, forest, position } from "../view/forest";
import { differenceText, intervalText, limitText, meanText, words } from "../view/metric";
import { count, evidence, percent } from "../view/number";

type Chosen = { metric: string; category: string | null };

type Props = {
  guardrails: readonly GuardrailEvidence[];
  chosen: Chosen | null;
  choose: (chosen: Chosen) => void;
};

export function Forest({ guardrails, chosen, choose }: Props) {
  const tiers = forest(guardrails);
  return (
    <table className="forest">
      <caption className="sr-only">
        Guardrails, worst first. Differences are candidate minus control, drawn in margins: 0 is no
        difference, 1 is the margin, right is harm.
      </caption>
      <thead>
        <tr>
          <th scope="col">Guardrail</th>
          <th scope="col" className="forest-plot">
            <AxisHead />
          </th>
          <th scope="col">Control → candidate</th>
          <th scope="col">Difference, interval</th>
          <th scope="col" className="num">
            Margin
          </th>
          <th
            scope="col"
            className="num"
            title="evidence of harm of this guardrail alone, and its share of its clock's pool"
          >
            E · weight
          </th>
          <th scope="col" className="num" title="units: control, candidate">
            n
          </th>
        </tr>
      </thead>
      {tiers.map(({ tier, label, metrics }) => (
        <tbody key={tier}>
          <tr className="forest-tier">
            <th colSpan={7} scope="rowgroup">
              {label}
            </th>
          </tr>
          {metrics.map((metric) => (
            <MetricRows key={metric.row.id} metric={metric} chosen={chosen} choose={choose} />
          ))}
        </tbody>
      ))}
    </table>
  );
}

function MetricRows({
  metric,
  chosen,
  choose,
}: {
  metric: ForestMetric;
  chosen: Chosen | null;
  choose: Props["choose"];
}) {
  const [asked, setAsked] = useState<boolean | null>(null);
  const open = asked ?? metric.hurts;
  const { row, categories } = metric;
  const toggle = categories.length > 0 && (
    <button type="button" className="toggle" aria-expanded={open} onClick={() => setAsked(!open)}>
      {open ? "\u25be" : "\u25b8"} {categories.length} categories
    </button>
  );
  return (
    <>
      <Row row={row} chosen={chosen} choose={choose} toggle={toggle || null} />
      {open &&
        categories.map((category) => (
          <Row key={category.id} row={category} chosen={chosen} choose={choose} toggle={null} />
        ))}
    </>
  );
}

type RowProps = { row: ForestRow; chosen: Chosen | null; choose: Props["choose"]; toggle: React.ReactNode };

function Row({ row, chosen, choose, toggle }: RowProps) {
  const { guardrail, metric, category } = row;
  const { effect } = guardrail;
  const known = row.state !== "empty";
  const picked = chosen?.metric === metric && chosen.category === category;
  return (
    <tr
      className={`forest-row state-${row.state}${category === null ? "" : " forest-category"}${picked ? " forest-picked" : ""}`}
    >
      <th scope="row">
        <button
          type="button"
          className="link-button"
          aria-pressed={picked}
          title={`${words(metric).meaning}; show over time`}
          onClick={() => choose({ metric, category })}
        >
          {category ?? words(metric).label}
        </button>
        {guardrail.action === "hold" && category === null && <span className="tag">holds only</span>}
        {guardrail.headline && category === null && (
          <span className="tag" title="promotion at A/B needs its non-inferiority">
            headline
          </span>
        )}
        <TrustTag guardrail={guardrail} shown={category === null && metric === "quality"} />
        <span className="verdict">
          {row.verdict} {toggle}
        </span>
      </th>
      <td className="forest-plot">
        <Interval row={row} />
      </td>
      <td>
        {known
          ? `${meanText(metric, effect.control_mean)} → ${meanText(metric, effect.candidate_mean)}`
          : "–"}
      </td>
      <td>
        {known ? (
          <>
            <b>{differenceText(metric, effect.difference)}</b>{" "}
            <span className="muted">{intervalText(metric, effect.lower, effect.upper)}</span>
          </>
        ) : (
          "–"
        )}
      </td>
      <td className="num" data-label="margin" title={limitText(guardrail.limit)}>
        {marginText(guardrail)}
      </td>
      <td className="num" data-label="E · weight">
        {evidence(row.e)} <span className="muted">· {percent(guardrail.weight)}</span>
      </td>
      <td className="num" data-label="n">
        {count(effect.control_units)} <span className="muted">/</span> {count(effect.candidate_units)}
      </td>
    </tr>
  );
}

function TrustTag({ guardrail, shown }: { guardrail: GuardrailEvidence; shown: boolean }) {
  if (!shown || guardrail.trust === "full") return null;
  const text = guardrail.trust === "uncalibrated" ? "judge not calibrated" : "judge with allowance";
  return (
    <span className="tag" title="its allowance is part of the margin">
      {text}
    </span>
  );
}

function marginText(guardrail: GuardrailEvidence): string {
  if ("worse_than" in guardrail.limit) return limitText(guardrail.limit).replace("worse than", "limit");
  return guardrail.margin > 0 ? differenceText(guardrail.metric, guardrail.margin).replace("+", "") : "–";
}

function AxisHead() {
  return (
    <svg className="axis-head" width="100%" height="30" aria-hidden="true">
      <text x="0" y="11">
        better
      </text>
      <text x="100%" y="11" textAnchor="end">
        worse
      </text>
      <text x={`${position(0)}%`} y="26" textAnchor="middle">
        0
      </text>
      <text x={`${position(1)}%`} y="26" textAnchor="middle" className="axis-margin">
        margin
      </text>
    </svg>
  );
}

const MIDDLE = 13;

function Interval({ row }: { row: ForestRow }) {
  const { plot } = row;
  const at = (margins: number) => `${position(margins)}%`;
  const label =
    plot === null
      ? "nothing to draw"
      : `${differenceText(row.metric, row.guardrail.effect.difference)}, ${row.verdict}`;
  return (
    <svg className="interval" width="100%" height="26" role="img" aria-label={label}>
      <rect className="zone-harm" x={at(1)} width={`${100 - position(1)}%`} y="0" height="26" />
      <line className="axis-zero" x1={at(0)} x2={at(0)} y1="0" y2="26" />
      <line className="axis-limit" x1={at(1)} x2={at(1)} y1="0" y2="26" />
      {plot !== null && (
        <>
          <line className="whisker" x1={at(plot.lower)} x2={at(plot.upper)} y1={MIDDLE} y2={MIDDLE} />
          <End margins={plot.lower} />
          <End margins={plot.upper} />
          <svg x={at(plot.estimate)} y={MIDDLE} overflow="visible" aria-hidden="true">
            <Mark state={row.state} />
          </svg>
        </>
      )}
    </svg>
  );
}

/** A cap where the interval ends, an arrow where it goes on beyond the axis. */
function End({ margins }: { margins: number }) {
  const beyond = Math.abs(margins) > AXIS_MARGINS;
  const left = margins < 0;
  return (
    <svg x={`${position(margins)}%`} y={MIDDLE} overflow="visible" aria-hidden="true">
      {beyond ? (
        <path className="whisker-arrow" d={left ? "M0 0 l7 -4 v8 z" : "M0 0 l-7 -4 v8 z"} />
      ) : (
        <line className="whisker" x1="0" x2="0" y1="-4" y2="4" />
      )}
    </svg>
  );
}

/** Shape says what colour says: diamond for harm, filled circle for within, hollow for not established. */
function Mark({ state }: { state: ForestRow["state"] }) {
  if (state === "blamed" || state === "raised" || state === "common") {
    return <path className="mark" d="M0 -7 L7 0 L0 7 L-7 0 Z" />;
  }
  return <circle className="mark" r={state === "within" ? 4.5 : 4} />;
}
