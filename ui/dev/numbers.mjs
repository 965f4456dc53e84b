// Made-up numbers for the made-up world: evidence, series and arms that hang together. Refuses to know a rollout's state.

const NOW = () => Date.now() * 1000;

/** A seeded generator, so that two looks show the same picture. */
function chance(seed) {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 4294967296;
    return state / 4294967296;
  };
}

export const CATEGORIES = ["billing", "delivery", "returns", "account", "other"];

const SHARES = {
  error_rate: 0.012,
  ttft_p95: 0.05,
  latency_p95: 0.05,
  invalid_output: 0.011,
  refusal_rate: 0.021,
  thumbs_down: 0.06,
};
const MARGINS = {
  error_rate: 0.005,
  ttft_p95: 0.01,
  latency_p95: 0.01,
  invalid_output: 0.01,
  refusal_rate: 0.01,
  thumbs_down: 0.015,
  quality: 0.12,
  output_tokens: 18,
  cost: 14,
};
const WEIGHTS = {
  error_rate: 0.15,
  ttft_p95: 0.25,
  latency_p95: 0.25,
  output_tokens: 0.25,
  cost: 0.25,
  invalid_output: 0.1,
  refusal_rate: 0.1,
  thumbs_down: 0.1,
  quality: 0.12,
};
const LIMITS = {
  error_rate: { worse_by: { relative_ppm: 250_000, absolute_ppm: 5_000 } },
  ttft_p95: { worse_by: { relative_ppm: 0, absolute_ppm: 10_000 } },
  latency_p95: { worse_by: { relative_ppm: 0, absolute_ppm: 10_000 } },
  output_tokens: { worse_by: { relative_ppm: 100_000, absolute_ppm: 0 } },
  cost: { worse_by: { relative_ppm: 100_000, absolute_ppm: 0 } },
  invalid_output: { worse_by: { relative_ppm: 250_000, absolute_ppm: 10_000 } },
  refusal_rate: { worse_by: { relative_ppm: 250_000, absolute_ppm: 10_000 } },
  thumbs_down: { worse_by: { relative_ppm: 250_000, absolute_ppm: 10_000 } },
  quality: { worse_by: { relative_ppm: 0, absolute_ppm: 20_000 } },
};
const CLOCKS = {
  error_rate: "fast",
  ttft_p95: "fast",
  latency_p95: "fast",
  quality: "slow",
  thumbs_down: "slow",
};
const METRICS = Object.keys(LIMITS);

function control(metric) {
  return SHARES[metric] ?? { quality: 0.83, output_tokens: 182, cost: 141 }[metric];
}

function spread(metric) {
  return (
    { quality: 0.22, output_tokens: 95, cost: 80 }[metric] ??
    Math.sqrt(control(metric) * (1 - control(metric)))
  );
}

function guardrail(metric, category, shift, n, hurts = {}) {
  const units = category ? Math.round(n / 6) : n;
  const [candidate, other] = [Math.round(units * 0.05) || 1, Math.round(units * 0.95)];
  const half = 3.1 * spread(metric) * Math.sqrt(1 / candidate + 1 / other);
  const margin = MARGINS[metric] * (category ? 2 : 1);
  const mean = control(metric);
  const low = metric === "quality" ? -1 : 1;
  const harm = low * shift;
  const log_e =
    hurts.log_e ??
    Math.max(-3, (harm - margin * 0.6) * (harm > margin ? 60 : 30) * Math.sqrt(candidate / 300) - 0.4);
  const non_inferior = harm + half < margin;
  return {
    metric,
    ...(category ? { category } : {}),
    clock: CLOCKS[metric] ?? "session",
    limit: LIMITS[metric],
    margin,
    weight: category ? WEIGHTS[metric] / 5 : WEIGHTS[metric],
    action: ["ttft_p95", "latency_p95", "output_tokens", "cost"].includes(metric) ? "hold" : "roll_back",
    headline: !category && ["error_rate", "invalid_output", "quality"].includes(metric),
    trust: metric === "quality" ? "uncalibrated" : "full",
    log_e,
    log_e_max: log_e + 0.3,
    effect: {
      candidate_units: candidate,
      control_units: other,
      candidate_mean: Math.max(0, mean + shift),
      control_mean: mean,
      difference: shift,
      lower: shift - half,
      upper: shift + half,
    },
    non_inferior,
    ...(non_inferior
      ? {}
      : {
          units_needed:
            Math.round(units * ((half / margin) ** 2 - 0.8)) > 0
              ? Math.round(units * ((half / margin) ** 2 - 0.8))
              : 40,
        }),
    control_breaches: false,
    blamed: hurts.blamed ?? false,
  };
}

export function evidence(n, shifts, hurts, extra = {}) {
  const random = chance(n);
  const guardrails = [];
  for (const metric of METRICS)
    guardrails.push(
      guardrail(metric, null, shifts[metric] ?? (random() - 0.5) * MARGINS[metric] * 0.5, n, hurts[metric]),
    );
  for (const metric of ["invalid_output", "quality"]) {
    for (const category of CATEGORIES) {
      const key = `${metric}/${category}`;
      guardrails.push(
        guardrail(metric, category, shifts[key] ?? (random() - 0.5) * MARGINS[metric], n, hurts[key]),
      );
    }
  }
  return {
    rollout: "x",
    analysis_version: 1,
    at: NOW() - 2e6,
    watermark: { record: 14_384, units: { fast: n, session: n - 20, slow: n - 60 }, ledger: "ab".repeat(32) },
    enrolled: { candidate: Math.round(n * 0.05), control: Math.round(n * 0.95) },
    stage_matured: { candidate: Math.round(n * 0.05) - 12, control: Math.round(n * 0.95) - 90 },
    interactions: { candidate: Math.round(n * 0.05 * 2.3), control: Math.round(n * 0.95 * 2.3) },
    guardrails,
    clocks: [{ clock: "session", weight: 0.5, e: extra.e ?? 0.8 }],
    e: extra.e ?? 0.84,
    e_hold: extra.e_hold ?? 0.6,
    sample_ratio_log_e: -1.2,
    ...(extra.shadow ? { shadow: extra.shadow } : {}),
    ...(extra.problems ? { problems: extra.problems } : {}),
  };
}

export function seriesOf(seen, from, to) {
  const random = chance(7);
  return seen.guardrails.map(({ metric, category, effect, log_e }) => {
    const points = [];
    const count = 120;
    let walk = 0;
    for (let i = 1; i <= count; i++) {
      const part = i / count;
      walk = walk * 0.93 + (random() - 0.5) * 0.5 * (1 - part) * spread(metric) * 0.25;
      const half = (effect.upper - effect.lower) / 2 / Math.sqrt(part);
      const middle = effect.difference + walk;
      points.push({
        at: Math.round(from + (to - from) * part),
        n: Math.round((effect.candidate_units + effect.control_units) * part),
        difference: middle,
        lower: i < 4 ? -1e300 : middle - half,
        upper: i < 4 ? 1e300 : middle + half,
        e: Math.exp(log_e * part),
      });
    }
    return { metric, category: category ?? null, points };
  });
}

export function harmOf(e, from, to) {
  const random = chance(11);
  const points = [];
  let wobble = 0;
  for (let i = 0; i <= 150; i++) {
    const part = i / 150;
    wobble = wobble * 0.9 + (random() - 0.5) * 0.5 * (1 - part);
    points.push({
      at: Math.round(from + (to - from) * part),
      e: Math.exp(Math.log(e) * part ** 2.2 + wobble - 0.15 * Math.sin(part * 3)),
    });
  }
  points[points.length - 1].e = e;
  return points;
}

export function armsOf(seen, sick) {
  const arm = (name, factor) => {
    const units = seen.enrolled[name];
    const interactions = seen.interactions[name];
    const mean = (metric) =>
      seen.guardrails.find((one) => one.metric === metric && !one.category).effect[`${name}_mean`];
    return {
      arm: name,
      units,
      interactions,
      errors: Math.round(interactions * mean("error_rate")),
      error_rate: mean("error_rate"),
      ttft_p50_ms: 312 * factor,
      ttft_p95_ms: 690 * factor,
      latency_p50_ms: 1_420 * factor,
      latency_p95_ms: 3_260 * factor,
      output_tokens_mean: mean("output_tokens"),
      cost_mean_micro_usd: Math.round(mean("cost")),
      invalid_rate: mean("invalid_output"),
      refusal_rate: mean("refusal_rate"),
      quality_mean: mean("quality"),
      judged: Math.round(interactions * 0.6),
      thumbs_up: Math.round(interactions * 0.11),
      thumbs_down: Math.round(interactions * 0.03),
      categories: CATEGORIES.map((category, i) => ({
        category,
        interactions: Math.round(interactions / (i + 2)),
        invalid_rate: category === sick && name === "candidate" ? 0.21 : 0.011,
        quality_mean:
          category === sick && name === "candidate"
            ? 0.55
            : 0.83 - i * 0.012 + (name === "candidate" ? [0.03, -0.005, 0.012, 0.001, -0.06][i] : 0),
        judged: Math.round((interactions * 0.6) / (i + 2) / (i === 4 ? 9 : 1)),
      })),
    };
  };
  return [arm("control", 1), arm("candidate", 0.81)];
}
