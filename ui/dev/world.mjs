// A made-up world for looking at the dashboard without a server: rollouts in every state, with numbers that hang together.
// Refuses to be a test of anything: the real server is.

import { armsOf, CATEGORIES, evidence, harmOf, seriesOf } from "./numbers.mjs";

const NOW = () => Date.now() * 1000;
const MIN = 60e6;
const HOUR = 60 * MIN;
const DAY = 24 * HOUR;
const MIN_MS = 60_000;
const HOUR_MS = 60 * MIN_MS;
const DAY_MS = 24 * HOUR_MS;

export const started = NOW();

const STAGES = [
  { kind: "shadow", share_ppm: 100_000, units_min: 300, min_ms: HOUR_MS, max_ms: 3 * DAY_MS },
  { kind: "canary", share_ppm: 50_000, units_min: 300, min_ms: HOUR_MS, max_ms: 7 * DAY_MS },
  { kind: "ab", share_ppm: 500_000, units_min: 300, min_ms: 7 * DAY_MS, max_ms: 28 * DAY_MS },
  { kind: "full", share_ppm: 990_000, units_min: 300, min_ms: 3 * DAY_MS, max_ms: 14 * DAY_MS },
];

function rollout(key, phase, at, seen, more) {
  const declared = more.from === "canary" ? STAGES.slice(1) : STAGES;
  const index = declared.findIndex(({ kind }) => kind === at);
  const live = phase === "running" || phase === "held";
  return {
    key,
    phase,
    stage: {
      index,
      kind: at,
      share_ppm: at === "shadow" ? 0 : declared[index].share_ppm,
      entered_at: NOW() - more.age_ms * 1000,
      age_ms: more.age_ms,
    },
    stages: declared.map((stage, i) => ({
      ...stage,
      category_units_min: 0,
      status: i < index ? "done" : i === index ? "current" : live ? "next" : "skipped",
      entered_at: i > index ? null : NOW() - more.age_ms * 1000 - ((index - i) * HOUR) / (index + 1),
    })),
    hold: more.hold ?? null,
    rolled_back: more.rolled_back ?? null,
    spec: {
      message: more.message,
      author: "ana",
      alpha_ppm: 50_000,
      alpha_shadow_ppm: 10_000,
      session_window_ms: 30 * MIN_MS,
    },
    started_at: started - more.age_ms * 1000 - HOUR,
    ended_at: live ? null : started - 6 * MIN,
    change: more.change,
    sentence: more.sentence,
    gate: live ? { verdict: "INCONCLUSIVE", missing: more.missing ?? [] } : null,
    evidence: seen,
    e_limit: 20,
    report_at: seen.at,
  };
}

const shadow = {
  pairs: 188,
  repeats: 14,
  repeats_flipped: 1,
  e: 1.9,
  metrics: [
    {
      metric: "quality",
      sessions: 92,
      pairs: 188,
      difference: -0.021,
      lower: -0.071,
      upper: 0.028,
      log_e: 0.9,
      margin: 0.02,
      weight: 0.5,
    },
    {
      metric: "invalid_output",
      sessions: 92,
      pairs: 188,
      difference: 0.005,
      lower: -0.02,
      upper: 0.031,
      log_e: -0.7,
      margin: 0.01,
      weight: 0.3,
    },
    {
      metric: "refusal_rate",
      sessions: 92,
      pairs: 188,
      difference: -0.011,
      lower: -0.04,
      upper: 0.019,
      log_e: -1.1,
      margin: 0.01,
      weight: 0.2,
    },
  ],
};

const sickSentence =
  'Taken back 03:12:09 UTC at evidence 24.7 (limit 20): invalid_output in "billing" 0.011 -> 0.082 (difference +0.071, interval +0.031 to +0.118; 129 candidate and 2460 control units)';

export function world() {
  const concise = [
    {
      feature: "support",
      layer: "system_prompt",
      from: "system_prompt/support@1",
      to: "system_prompt/support@2",
    },
  ];
  return {
    "support-1": rollout(
      "support-1",
      "running",
      "canary",
      evidence(5_030, { invalid_output: 0.002, output_tokens: -61, cost: -44, latency_p95: -0.02 }, {}),
      {
        from: "canary",
        age_ms: 9.2 * HOUR_MS,
        message: "shorter answers",
        change: concise,
        sentence: "No harm in 239 candidate sessions; 61 more to go, about 2 h",
        missing: ["61 more candidate units"],
      },
    ),
    "support-0": rollout(
      "support-0",
      "rolled_back",
      "ab",
      evidence(
        2_589,
        { invalid_output: 0.019, "invalid_output/billing": 0.071, "quality/billing": -0.28, quality: -0.05 },
        {
          "invalid_output/billing": { blamed: true, log_e: 7.6 },
          invalid_output: { log_e: 1.9 },
          "quality/billing": { log_e: 2.4 },
        },
        { e: 24.7 },
      ),
      {
        age_ms: 30 * HOUR_MS,
        message: "answer as JSON",
        change: [
          ...concise,
          { feature: "support", layer: "model", from: "model/gpt-4o@1", to: "model/gpt-4o-mini@2" },
        ],
        sentence: sickSentence,
        rolled_back: {
          rolled_back_at: started - 6 * MIN,
          reach: "next_turn",
          after_completion: false,
          metric: "invalid_output",
          category: "billing",
          reason: sickSentence.slice(20),
          rearmed: false,
        },
      },
    ),
    "search-4": rollout("search-4", "running", "shadow", evidence(0, {}, {}, { shadow, e: 0 }), {
      age_ms: 40 * MIN_MS,
      message: "kb of November",
      change: [{ feature: "search", layer: "retrieval", from: "retrieval/kb@4", to: "retrieval/kb@5" }],
      sentence: "No harm in 188 shadow pairs; 112 more to go, about 24 min",
      missing: ["112 more pairs", "20 min more"],
    }),
    "summary-2": rollout(
      "summary-2",
      "held",
      "ab",
      evidence(
        9_800,
        { cost: 31, output_tokens: 24, latency_p95: 0.012 },
        { cost: { log_e: 5.1, blamed: true } },
        { e: 1.3, e_hold: 21.4 },
      ),
      {
        age_ms: 5.6 * DAY_MS,
        message: "richer summaries",
        change: [{ feature: "summary", layer: "model", from: "model/haiku@3", to: "model/sonnet@1" }],
        sentence:
          "Held for 40 min: at evidence 21.4 by a guardrail that asks: cost 141 -> 172 (difference +31); the share stays at 50%",
        hold: { reason: "guardrail", since_at: started - 40 * MIN, detail: "cost" },
        missing: ["1.4 d more"],
      },
    ),
  };
}

const QUESTIONS = [
  [
    "I was charged twice for order 48-1182, can you refund one of them?",
    "billing",
    '{"answer": "We are sorry to hear that. Your refund of $41.90 was',
    "cut off inside the JSON string; the parser cannot read it",
  ],
  [
    "Where is my parcel? It said Tuesday.",
    "delivery",
    "Your parcel will arrive soon.",
    "does not say when, nor where the parcel is; the tracking tool was not used",
  ],
  [
    "How do I delete my account and all my data?",
    "account",
    "I'm sorry, but I can't help with that.",
    "refuses a request that the policy answers: settings, privacy, delete account",
  ],
  [
    "Can I return shoes that I wore once outside?",
    "returns",
    "Yes, any time.",
    "wrong: worn items are accepted within 14 days only",
  ],
];

export function interactions() {
  return QUESTIONS.concat(QUESTIONS).map(([question, category, answer, reason], i) => ({
    seq: 900 - i,
    record: {
      id: `int_${(4_823_112 + i * 7919).toString(16)}`,
      role: "served",
      feature: "support",
      session: "c0ffee".repeat(6),
      unit: "c0ffee".repeat(6),
      variant: i % 3 === 2 ? "control" : "candidate",
      bundle: "7d1a44e0".repeat(4),
      arm: {
        rollout: i < 4 ? "support-0" : "support-1",
        arm: i % 3 === 2 ? "control" : "candidate",
        pi: 50_000,
        stage: 1,
      },
      head: 12,
      assigned: 11,
      reason: "split",
      category,
      at: started - (i * 11 + 7) * MIN,
      outcome: i === 5 ? { type: "error", code: "provider.first_token_timeout" } : { type: "ok" },
      status: i === 5 ? 0 : 200,
      stream: true,
      ttft_us: 312_000 + i * 9_000,
      latency_us: 1_420_000 + i * 40_000,
      input_tokens: 412,
      cached_tokens: i % 2 ? 256 : 0,
      output_tokens: 96,
      cost: 120 + i,
      facts: {
        chars: answer.length,
        valid: i % 4 !== 0,
        ...(i % 4 === 0 ? { invalid_reason: "not JSON: unexpected end of input" } : {}),
        refusal: i % 4 === 2,
        finish_reason: "stop",
      },
      served_digest: "9f2c41d0".repeat(8),
      response_id: "chatcmpl-9f2c",
      model_returned: "gpt-4o-mini-2024-07-18",
      system_fingerprint: "fp_44709d6fcb",
    },
    question,
    answer,
    messages: [
      {
        role: "system",
        content:
          'You are the support assistant of a shop. Answer in JSON: {"answer": ..., "next": ...}. Be concise.',
      },
      { role: "user", content: question },
    ],
    scores: [
      {
        id: `s${i}`,
        interaction: "x",
        name: "quality",
        value: 0.12 + i * 0.05,
        reason,
        source: { by: "judge", rubric: "rubric/helpful@1", model: "model/judge@1" },
        at: started - i * MIN,
      },
    ],
  }));
}

export function reportOf(view, events) {
  const from = view.started_at;
  const to = view.ended_at ?? NOW();
  const empty = view.evidence.enrolled.candidate === 0;
  return {
    rollout: view.key,
    sentence: view.sentence,
    evidence: view.evidence,
    series: empty ? [] : seriesOf(view.evidence, from, to),
    harm: empty ? [] : harmOf(view.evidence.e, from, to),
    arms: empty ? [] : armsOf(view.evidence, view.phase === "rolled_back" ? "billing" : null),
    exposure: {
      candidate_sessions: view.evidence.enrolled.candidate,
      candidate_interactions: view.evidence.interactions.candidate,
      last_enrolment_at: empty ? null : (view.rolled_back?.rolled_back_at ?? NOW()) - 4e6,
      last_turn_at: empty ? null : (view.rolled_back?.rolled_back_at ?? NOW()) - 1e6,
    },
    events: events.filter(({ keys }) => keys.includes(view.key)),
    worst: empty ? [] : interactions().slice(0, 3),
  };
}

export function events() {
  const event = (revision, hours, actor, message, keys, verdict = null) => ({
    revision,
    at: Math.round(started - hours * HOUR),
    actor,
    message,
    verdict,
    keys,
  });
  return [
    event(2, 40, "ana", "start support-0: answer as JSON", ["support-0"]),
    event(
      3,
      38,
      "controller",
      "support-0: shadow passed with 300 pairs, evidence of harm 0.31; on to canary at 5%",
      ["support-0"],
      "PASS",
    ),
    event(
      4,
      30,
      "controller",
      "support-0: canary passed with 302 candidate units, evidence of harm 0.66; on to ab at 50%",
      ["support-0"],
      "PASS",
    ),
    event(5, 10.2, "ana", "start support-1: shorter answers", ["support-1"]),
    event(
      6,
      5,
      "controller",
      "summary-2: held at evidence 21.4 by a guardrail that asks: cost",
      ["summary-2"],
      "INCONCLUSIVE",
    ),
    event(7, 0.1, "controller", `support-0: ${sickSentence.slice(20)}`, ["support-0"], "FAIL"),
    event(8, 0.05, "ben", "start search-4: kb of November", ["search-4"]),
  ];
}

export function features() {
  const feature = (key, control, rollout, more = {}) => ({
    key,
    description: {
      support: "Answers customers of the shop.",
      search: "Finds help articles.",
      summary: "Sums up long threads for agents.",
    }[key],
    control,
    fingerprint: "31c9f00d".repeat(4),
    control_since_at: started - 41 * DAY,
    judge:
      key === "search"
        ? null
        : { rubric: "rubric/helpful@1", model: "model/judge@1", rate_ppm: 200_000, deadline_ms: 900_000 },
    categories: key === "support" ? CATEGORIES : [],
    rollout,
    killed: false,
    proven: true,
    diagnostics: [],
    ...more,
  });
  return [
    feature(
      "support",
      {
        model: "model/gpt-4o@1",
        system_prompt: "system_prompt/support@1",
        sampling: "sampling/support@1",
        output_parser: "output_parser/answer@2",
      },
      "support-1",
    ),
    feature("search", { model: "model/gpt-4o-mini@2", retrieval: "retrieval/kb@4" }, "search-4"),
    feature(
      "summary",
      { model: "model/haiku@3", prompt_template: "prompt_template/summary@5" },
      "summary-2",
      { proven: false },
    ),
  ];
}

export const PROMPTS = {
  1: "You are the support assistant of a shop. Be friendly and thorough. Greet the customer by name, explain every step in full sentences, and close by asking whether there is anything else you can do.\n\nNever promise a refund; say that a colleague will look at it.",
  2: "You are the support assistant of a shop. Be concise: three sentences at most. Answer the question first, then the one next step.\n\nNever promise a refund; say that a colleague will look at it within one working day.",
};
