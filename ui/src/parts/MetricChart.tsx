// One metric's interval narrowing over time, with the margin that it must stay clear of. Refuses to compute either.

import { scaleLinear } from "d3-scale";
import { area, line } from "d3-shape";
import type { GuardrailEvidence, Metric, Point, Series } from "../api/model";
import { tolerated } from "../view/forest";
import { differenceText, harmSign, intervalText, words } from "../view/metric";
import { count, evidence } from "../view/number";
import { pointAt, thinned, verticalRange } from "../view/series";
import { Empty } from "./States";
import { INNER_HEIGHT, TimeChart, type TimeMark } from "./TimeChart";

const POINTS_DRAWN = 160;

type Chosen = { metric: string; category: string | null };

type Props = {
  series: readonly Series[];
  guardrails: readonly GuardrailEvidence[];
  chosen: Chosen | null;
  choose: (chosen: Chosen) => void;
  marks: readonly TimeMark[];
};

export function MetricChart({ series, guardrails, chosen, choose, marks }: Props) {
  const picked =
    series.find((one) => one.metric === chosen?.metric && (one.category ?? null) === chosen.category) ??
    series[0];
  if (!picked || picked.points.length === 0) {
    return <Empty>No interval yet: it begins with the first matured unit of either arm.</Empty>;
  }
  const guardrail = guardrails.find(
    (one) => one.metric === picked.metric && (one.category ?? null) === (picked.category ?? null),
  );
  const room = guardrail ? tolerated(guardrail) : null;
  return (
    <>
      <Picker series={series} picked={picked} choose={choose} />
      <Chart
        metric={picked.metric}
        points={thinned(picked.points, POINTS_DRAWN)}
        margin={room}
        marks={marks}
      />
    </>
  );
}

function Picker({
  series,
  picked,
  choose,
}: {
  series: readonly Series[];
  picked: Series;
  choose: Props["choose"];
}) {
  const metrics = [...new Set(series.map((one) => one.metric))];
  const categories = series.filter((one) => one.metric === picked.metric).map((one) => one.category ?? null);
  return (
    <p className="pickers">
      <label>
        Metric{" "}
        <select
          value={picked.metric}
          onChange={(event) => choose({ metric: event.target.value, category: null })}
        >
          {metrics.map((metric) => (
            <option key={metric} value={metric}>
              {words(metric).label}
            </option>
          ))}
        </select>
      </label>
      {categories.length > 1 && (
        <label>
          Category{" "}
          <select
            value={picked.category ?? ""}
            onChange={(event) => choose({ metric: picked.metric, category: event.target.value || null })}
          >
            {categories.map((category) => (
              <option key={category ?? ""} value={category ?? ""}>
                {category ?? "all"}
              </option>
            ))}
          </select>
        </label>
      )}
    </p>
  );
}

type ChartProps = { metric: Metric; points: Point[]; margin: number | null; marks: readonly TimeMark[] };

function Chart({ metric, points, margin, marks }: ChartProps) {
  const limit = margin === null ? null : harmSign(metric) * margin;
  const y = scaleLinear()
    .domain(verticalRange(points, limit === null ? [] : [limit]))
    .range([INNER_HEIGHT, 0]);
  const [first, last] = [points[0] as Point, points[points.length - 1] as Point];
  const read = (at: number | null) => {
    const point = at === null ? last : (pointAt(points, at) ?? last);
    return (
      <>
        <b>{differenceText(metric, point.difference)}</b> ({intervalText(metric, point.lower, point.upper)}),
        n {count(point.n)}, E {evidence(point.e)}
      </>
    );
  };
  return (
    <TimeChart
      label={`${words(metric).label}: candidate minus control over time with its confidence sequence`}
      times={[first.at, last.at]}
      marks={marks}
      ticks={y
        .ticks(5)
        .map((value) => ({ y: y(value), text: differenceText(metric, value).replace(" pt", "") }))}
      readout={read}
    >
      {({ x, inner }) => {
        const at = (point: Point) => x(new Date(point.at / 1000));
        const band = area<Point>(
          at,
          (point) => y(clip(point.lower, y.domain())),
          (point) => y(clip(point.upper, y.domain())),
        );
        const middle = line<Point>(at, (point) => y(point.difference));
        return (
          <>
            <path className="band" d={band(points) ?? ""} />
            <line className="axis-zero" x2={inner.width} y1={y(0)} y2={y(0)} />
            {limit !== null && (
              <>
                <line className="axis-limit" x2={inner.width} y1={y(limit)} y2={y(limit)} />
                <text
                  className="limit-text"
                  x={inner.width - 4}
                  y={y(limit) + (limit > 0 ? -5 : 13)}
                  textAnchor="end"
                >
                  margin {differenceText(metric, limit)}
                </text>
              </>
            )}
            <path className="estimate" d={middle(points) ?? ""} />
          </>
        );
      }}
    </TimeChart>
  );
}

/** An unbounded early interval would overflow the path's numbers; anything far outside looks alike. */
function clip(value: number, domain: number[]): number {
  const [low = 0, high = 1] = domain;
  const air = (high - low) * 4;
  return Math.max(low - air, Math.min(high + air, value));
}
