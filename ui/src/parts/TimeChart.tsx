// The frame that both charts over time share: size, axes, marks of stage changes, a reading under the pointer.
// Refuses to know what is drawn inside.

import { type ScaleTime, scaleTime } from "d3-scale";
import { type PointerEvent, type ReactNode, useState } from "react";
import { tickFormat } from "../view/span";
import { useWidth } from "./useWidth";

const HEIGHT = 220;
const EDGE = { top: 12, right: 12, bottom: 22, left: 52 };

export type Frame = { x: ScaleTime<number, number>; inner: { width: number; height: number } };
export type TimeMark = { at: number; label: string };

type Props = {
  label: string;
  times: [number, number];
  marks: readonly TimeMark[];
  ticks:
    | readonly { y: number; text: string }[]
    | ((height: number) => readonly { y: number; text: string }[]);
  readout: (at: number | null) => ReactNode;
  children: (frame: Frame) => ReactNode;
};

export const INNER_HEIGHT = HEIGHT - EDGE.top - EDGE.bottom;

export function TimeChart({ label, times, marks, ticks, readout, children }: Props) {
  const [ref, width] = useWidth<HTMLDivElement>(560);
  const [pointed, setPointed] = useState<number | null>(null);
  const inner = { width: width - EDGE.left - EDGE.right, height: INNER_HEIGHT };
  const [from, to] = times;
  const x = scaleTime()
    .domain([new Date(from / 1000), new Date((to > from ? to : from + 1e6) / 1000)])
    .range([0, inner.width]);
  const format = tickFormat(from, to);
  const yTicks = typeof ticks === "function" ? ticks(inner.height) : ticks;
  const point = (event: PointerEvent<SVGSVGElement>) => {
    const left = event.currentTarget.getBoundingClientRect().left + EDGE.left;
    setPointed(x.invert(Math.max(0, Math.min(inner.width, event.clientX - left))).getTime() * 1000);
  };
  const shown = marks.filter((mark) => mark.at >= from && mark.at <= to);
  return (
    <div ref={ref}>
      <p className="readout">{readout(pointed)}</p>
      <svg
        className="chart"
        width={width}
        height={HEIGHT}
        role="img"
        aria-label={label}
        onPointerMove={point}
        onPointerLeave={() => setPointed(null)}
      >
        <g transform={`translate(${EDGE.left},${EDGE.top})`}>
          {yTicks.map((tick) => (
            <g key={tick.text} transform={`translate(0,${tick.y})`}>
              <line className="grid" x2={inner.width} />
              <text className="tick" x={-8} dy="0.32em" textAnchor="end">
                {tick.text}
              </text>
            </g>
          ))}
          {x.ticks(Math.max(2, Math.floor(inner.width / 110))).map((tick) => (
            <text key={tick.getTime()} className="tick" x={x(tick)} y={inner.height + 16} textAnchor="middle">
              {format(tick.getTime() * 1000)}
            </text>
          ))}
          <svg width={inner.width} height={inner.height} overflow="hidden" aria-hidden="true">
            {children({ x, inner })}
          </svg>
          {shown.map((mark) => (
            <Mark
              key={`${mark.at} ${mark.label}`}
              mark={mark}
              x={x(new Date(mark.at / 1000))}
              inner={inner}
            />
          ))}
          {pointed !== null && (
            <line
              className="cursor"
              x1={x(new Date(pointed / 1000))}
              x2={x(new Date(pointed / 1000))}
              y2={inner.height}
            />
          )}
        </g>
      </svg>
    </div>
  );
}

function Mark({ mark, x, inner }: { mark: TimeMark; x: number; inner: Frame["inner"] }) {
  // Near the right edge the label stands on the left of its line, or it would be cut off.
  const late = x > inner.width * 0.8;
  return (
    <g transform={`translate(${x},0)`}>
      <line className="stage-mark" y2={inner.height} />
      <text
        className="stage-mark-text"
        x={late ? -4 : 4}
        y={inner.height - 5}
        textAnchor={late ? "end" : "start"}
      >
        {mark.label}
      </text>
    </g>
  );
}
