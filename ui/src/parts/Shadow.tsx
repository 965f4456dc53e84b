// What the shadow stage shows: differences of answers to the same questions. Refuses to compare latency: copies wait their turn.

import type { PairEvidence, ShadowEvidence } from "../api/model";
import { differenceText, intervalText, words } from "../view/metric";
import { count, evidence, plural } from "../view/number";
import { Empty } from "./States";

export function Shadow({ shadow, limit }: { shadow: ShadowEvidence; limit: number }) {
  const repeats =
    shadow.repeats > 0
      ? `Control against itself: ${count(shadow.repeats_flipped)} of ${plural(shadow.repeats, "repeat")} changed their verdict.`
      : "Control was not repeated yet, so how much it differs from itself is not known.";
  return (
    <>
      <p>
        {plural(shadow.pairs, "pair")}, evidence of harm <b>{evidence(shadow.e)}</b> of {limit.toFixed(0)}.
        Nobody saw a shadow answer. <span className="muted">{repeats}</span>
      </p>
      {shadow.metrics.length === 0 ? (
        <Empty>No pair has been compared yet: each needs a served answer and its copy.</Empty>
      ) : (
        <table className="plain shadow stack">
          <thead>
            <tr>
              <th scope="col">Metric</th>
              <th scope="col" className="shadow-plot">
                better · worse
              </th>
              <th scope="col">Paired difference, interval</th>
              <th scope="col" className="num" title="a difference beyond it counts as harm">
                Margin
              </th>
              <th scope="col" className="num">
                E
              </th>
              <th scope="col" className="num">
                Pairs / sessions
              </th>
            </tr>
          </thead>
          <tbody>
            {[...shadow.metrics]
              .sort((a, b) => b.log_e - a.log_e)
              .map((pair) => (
                <PairRow key={pair.metric} pair={pair} />
              ))}
          </tbody>
        </table>
      )}
    </>
  );
}

function PairRow({ pair }: { pair: PairEvidence }) {
  return (
    <tr>
      <th scope="row">{words(pair.metric).label}</th>
      <td className="shadow-plot">
        <PairInterval pair={pair} />
      </td>
      <td>
        <b>{differenceText(pair.metric, pair.difference)}</b>{" "}
        <span className="muted">{intervalText(pair.metric, pair.lower, pair.upper)}</span>
      </td>
      <td className="num" data-label="margin">
        {typeof pair.margin === "number" ? differenceText(pair.metric, pair.margin).replace("+", "") : "–"}
      </td>
      <td className="num" data-label="E">
        {evidence(Math.exp(pair.log_e))}
      </td>
      <td className="num" data-label="pairs / sessions">
        {count(pair.pairs)} / {count(pair.sessions)}
      </td>
    </tr>
  );
}

/** Paired metrics are shares or scores; twenty points to either side hold all but the wildest. */
const REACH = 0.2;

function PairInterval({ pair }: { pair: PairEvidence }) {
  const sign = words(pair.metric).worse === "higher" ? 1 : -1;
  const at = (value: number) => `${50 + 50 * Math.max(-1, Math.min(1, (sign * value) / REACH))}%`;
  const [from, to] = sign === 1 ? [pair.lower, pair.upper] : [pair.upper, pair.lower];
  return (
    <svg className="interval" width="100%" height="20" aria-hidden="true">
      {typeof pair.margin === "number" && (
        <>
          <rect
            className="zone-harm"
            x={at(sign * pair.margin)}
            width={`${50 - 50 * Math.min(1, pair.margin / REACH)}%`}
            height="20"
          />
          <line className="axis-limit" x1={at(sign * pair.margin)} x2={at(sign * pair.margin)} y2="20" />
        </>
      )}
      <line className="axis-zero" x1="50%" x2="50%" y1="0" y2="20" />
      <line className="whisker" x1={at(from)} x2={at(to)} y1="10" y2="10" />
      <circle className="mark" cx={at(pair.difference)} cy="10" r="4" />
    </svg>
  );
}
