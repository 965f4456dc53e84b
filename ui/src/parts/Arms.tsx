// The arms side by side in plain numbers, and by category. Refuses to test: intervals stand in the forest plot.

import type { ArmSummary } from "../api/model";
import { type CategoryRow, categoryRows, JUDGED_MIN } from "../view/category";
import { count, latency, percent, points, usd } from "../view/number";
import { Empty } from "./States";

type Maybe = number | null | undefined;

const shown = (value: Maybe, text: (value: number) => string) =>
  typeof value === "number" ? text(value) : "–";

const LINES: ReadonlyArray<{ label: string; cell: (arm: ArmSummary) => string }> = [
  { label: "Units", cell: (arm) => count(arm.units) },
  { label: "Interactions", cell: (arm) => count(arm.interactions) },
  {
    label: "Errors",
    cell: (arm) =>
      `${count(arm.errors)} (${percent(arm.interactions > 0 ? arm.errors / arm.interactions : 0)})`,
  },
  { label: "First token p50", cell: (arm) => shown(arm.ttft_p50_ms, latency) },
  { label: "First token p95", cell: (arm) => shown(arm.ttft_p95_ms, latency) },
  { label: "Latency p50", cell: (arm) => shown(arm.latency_p50_ms, latency) },
  { label: "Latency p95", cell: (arm) => shown(arm.latency_p95_ms, latency) },
  { label: "Output tokens a call", cell: (arm) => shown(arm.output_tokens_mean, count) },
  {
    label: "Cost of 1,000 calls",
    cell: (arm) => shown(arm.cost_mean_micro_usd, (micro) => usd(micro * 1_000)),
  },
  { label: "Invalid output", cell: (arm) => shown(arm.invalid_rate, percent) },
  { label: "Refusals", cell: (arm) => shown(arm.refusal_rate, percent) },
  {
    label: "Judged quality",
    cell: (arm) => shown(arm.quality_mean, (mean) => mean.toFixed(3)),
  },
  { label: "Judged answers", cell: (arm) => count(arm.judged) },
  { label: "Thumbs up / down", cell: (arm) => `${count(arm.thumbs_up)} / ${count(arm.thumbs_down)}` },
];

export function Arms({ arms }: { arms: readonly ArmSummary[] }) {
  const [control, candidate] = [
    arms.find((arm) => arm.arm === "control"),
    arms.find((arm) => arm.arm === "candidate"),
  ];
  if (!control && !candidate) return <Empty>No call yet in either arm: send one to the feature.</Empty>;
  return (
    <table className="plain">
      <thead>
        <tr>
          <th scope="col">
            <span className="sr-only">What</span>
          </th>
          <th scope="col" className="num">
            <span className="swatch swatch-control" /> control
          </th>
          <th scope="col" className="num">
            <span className="swatch swatch-candidate" /> candidate
          </th>
        </tr>
      </thead>
      <tbody>
        {LINES.map(({ label, cell }) => (
          <tr key={label}>
            <th scope="row">{label}</th>
            <td className="num">{control ? cell(control) : "–"}</td>
            <td className="num">{candidate ? cell(candidate) : "–"}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const SIGNS: Record<CategoryRow["tone"], string> = {
  unknown: "",
  level: "=",
  worse: "\u25bc",
  better: "\u25b2",
};

export function CategoryHeat({ arms }: { arms: readonly ArmSummary[] }) {
  const rows = categoryRows(arms);
  if (rows.length === 0)
    return <Empty>No categories: declare them on the feature, or send one with each call.</Empty>;
  return (
    <>
      <table className="plain heat stack">
        <thead>
          <tr>
            <th scope="col">Category</th>
            <th scope="col" className="num">
              Quality control
            </th>
            <th scope="col" className="num">
              candidate
            </th>
            <th scope="col" className="num">
              Difference
            </th>
            <th scope="col" className="num">
              Invalid
            </th>
            <th scope="col" className="num" title="judged: control / candidate">
              Judged
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <HeatRow key={row.category} row={row} />
          ))}
        </tbody>
      </table>
      <p className="muted small">
        Grey: fewer than {JUDGED_MIN} judged answers in an arm, too few to say. Plain means, no test.
      </p>
    </>
  );
}

function HeatRow({ row }: { row: CategoryRow }) {
  const { control, candidate, difference, tone } = row;
  const quality = (value: Maybe) => shown(value, (mean) => mean.toFixed(3));
  return (
    <tr className={`tone-${tone}`}>
      <th scope="row">{row.category}</th>
      <td className="num" data-label="control">
        {quality(control?.quality_mean)}
      </td>
      <td className="num" data-label="candidate">
        {quality(candidate?.quality_mean)}
      </td>
      <td className="num heat-cell">
        <span aria-hidden="true">{SIGNS[tone]}</span> {shown(difference, points)}
      </td>
      <td className="num" data-label="invalid">
        {shown(control?.invalid_rate, percent)} → {shown(candidate?.invalid_rate, percent)}
      </td>
      <td className="num" data-label="judged">
        {count(control?.judged ?? 0)} / {count(candidate?.judged ?? 0)}
      </td>
    </tr>
  );
}
