// The pooled evidence of harm over time on a log scale, with the lines at which Serinus acts. Refuses to know guardrails.

import { scaleLog } from "d3-scale";
import { curveStepAfter, line } from "d3-shape";
import type { HarmPoint } from "../api/model";
import { HOLD_LIMIT, RESUME_LIMIT } from "../view/fuse";
import { evidence } from "../view/number";
import { pointAt, thinned } from "../view/series";
import { Empty } from "./States";
import { INNER_HEIGHT, TimeChart, type TimeMark } from "./TimeChart";

const LOWEST = 0.1;

export function HarmChart({
  harm,
  limit,
  marks,
}: {
  harm: readonly HarmPoint[];
  limit: number;
  marks: readonly TimeMark[];
}) {
  const points = thinned(harm, 200);
  const [first, last] = [points[0], points[points.length - 1]];
  if (!first || !last)
    return <Empty>No evidence yet: it begins with the first matured unit of the candidate.</Empty>;
  const most = Math.max(limit * 2, ...points.map((point) => point.e));
  const y = scaleLog().domain([LOWEST, most]).range([INNER_HEIGHT, 0]).clamp(true);
  const lines = [
    { value: RESUME_LIMIT, text: "2 resumes below" },
    { value: HOLD_LIMIT, text: "5 holds" },
    { value: limit, text: `${limit.toFixed(0)} takes it back` },
  ];
  const ticks = [LOWEST, 1, RESUME_LIMIT, HOLD_LIMIT, limit].map((value) => ({
    y: y(value),
    text: String(Number(value.toFixed(1))),
  }));
  return (
    <TimeChart
      label={`evidence of harm over time, now ${evidence(last.e)}`}
      times={[first.at, last.at]}
      marks={marks}
      ticks={ticks}
      readout={(at) => (
        <>
          E <b>{evidence((at === null ? last : (pointAt(points, at) ?? last)).e)}</b> of {limit.toFixed(0)}
        </>
      )}
    >
      {({ x, inner }) => (
        <>
          {lines.map(({ value, text }) => (
            <g key={value} className={value === limit ? "limit-act" : "limit-warn"}>
              <line className="axis-limit" x2={inner.width} y1={y(value)} y2={y(value)} />
              <text className="limit-text" x={4} y={y(value) - 4}>
                {text}
              </text>
            </g>
          ))}
          <path
            className="harm-line"
            d={
              line<HarmPoint>(
                (point) => x(new Date(point.at / 1000)),
                (point) => y(Math.max(LOWEST, point.e)),
              ).curve(curveStepAfter)(points) ?? ""
            }
          />
        </>
      )}
    </TimeChart>
  );
}
