// A stand-in for the server, for development only: serves ui/dist under the strict policy and answers the control API from
// a made-up world. Refuses to be depended on: the contract is the OpenAPI document.

import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { features, interactions, events as makeEvents, PROMPTS, reportOf, started, world } from "./world.mjs";

const port = Number(process.env.PORT ?? 7272);
const factor = Number(process.env.CLOCK ?? 1);
const calm = process.env.CALM === "1";
const dist = fileURLToPath(new URL("../dist", import.meta.url));
const TYPES = {
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".html": "text/html; charset=utf-8",
};
const POLICY =
  "default-src 'self'; style-src 'self'; script-src 'self'; img-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

const rollouts = world();
const log = makeEvents();
const streams = new Set();

const head = () => log[log.length - 1].revision;
const summary = (view) => ({
  key: view.key,
  features: [...new Set(view.change.map(({ feature }) => feature))],
  phase: view.phase,
  stage: view.stage.kind,
  stages: view.stages.map(({ kind }) => kind),
  share_ppm: view.stage.share_ppm,
  sentence: view.sentence,
  message: view.spec.message,
  e: view.stage.kind === "shadow" ? view.evidence.shadow.e : view.evidence.e,
  e_limit: view.stage.kind === "shadow" ? 1e6 / view.spec.alpha_shadow_ppm : view.e_limit,
});

function append(actor, message, keys) {
  log.push({ revision: head() + 1, at: Date.now() * 1000, actor, message, verdict: null, keys });
  const data = JSON.stringify({ number: head(), at: Date.now() * 1000, message, rollouts: keys });
  for (const stream of streams) stream.write(`id: ${head()}\nevent: revision\ndata: ${data}\n\n`);
  return head();
}

const activation = { nodes: 1, active: 1, after_ms: 2, laggards: [] };

function revision(n) {
  const event = log.find((one) => one.revision === n);
  if (!event) return null;
  const view = rollouts[event.keys[0]];
  return {
    number: n,
    parent: "77".repeat(32),
    digest: "a3".repeat(32),
    at: event.at,
    actor: event.actor,
    message: event.message,
    cause: event.verdict
      ? {
          by: "controller",
          decision: {
            rollout: view.key,
            decided: {
              verdict: event.verdict,
              action:
                event.verdict === "FAIL"
                  ? { type: "roll_back", reach: "next_turn", metric: "invalid_output", category: "billing" }
                  : { type: "advance" },
              reason: event.message,
            },
            at: event.at,
            state_before: {},
            evidence: view.evidence,
          },
        }
      : { by: "person" },
    changes: [
      {
        put: {
          key: `rollout/${view.key}`,
          body: { kind: "rollout", key: view.key, spec: view.spec, state: { phase: view.phase } },
        },
      },
    ],
  };
}

const revisionRow = ({ revision: number, at, actor, message, verdict, keys }) => ({
  number,
  digest: "a3".repeat(32),
  parent: "77".repeat(32),
  at,
  actor,
  message,
  verdict,
  cause_kind: verdict ? "controller" : "person",
  changes: keys.map((key) => ({ op: "put", key: `rollout/${key}` })),
});

function rollback(body) {
  const subject =
    rollouts[body.subject] ??
    Object.values(rollouts).find((view) => summary(view).features.includes(body.subject));
  if (!subject)
    return [
      404,
      problem(
        404,
        "rollback.unknown",
        `"${body.subject}" is neither a rollout nor a feature: use one of ${Object.keys(rollouts).join(", ")}`,
      ),
    ];
  const number = append("ana", `${subject.key}: taken back by hand`, [subject.key]);
  subject.phase = "rolled_back";
  subject.rolled_back = {
    rolled_back_at: Date.now() * 1000,
    reach: "next_turn",
    after_completion: false,
    metric: null,
    category: null,
    reason: "taken back by hand",
    rearmed: false,
  };
  subject.sentence = "Taken back just now by hand";
  subject.gate = null;
  subject.ended_at = Date.now() * 1000;
  return [
    200,
    {
      rollout: subject.key,
      moves: [],
      reach: "next_turn",
      warnings: [],
      revision: number,
      activation,
      open_sessions: 61,
      after_completion: false,
    },
  ];
}

function move(key, verb) {
  const view = rollouts[key];
  if (verb === "advance")
    return [
      409,
      problem(
        409,
        "rollout.gate",
        `rollout "${key}": the gate of ${view.stage.kind} is shut; wait for it, or repeat with force`,
      ),
    ];
  if (verb === "hold")
    Object.assign(view, {
      phase: "held",
      hold: { reason: "operator", since_at: Date.now() * 1000, detail: "" },
      sentence: "Held just now by ana; the share stays at 5%",
    });
  if (verb === "resume")
    Object.assign(view, {
      phase: "running",
      hold: null,
      sentence: "No harm in 239 candidate sessions; 61 more to go, about 2 h",
    });
  if (verb === "rearm") view.rolled_back.rearmed = true;
  return [200, { revision: append("ana", `${key}: ${verb}`, [key]), activation, rollout: view }];
}

const problem = (status, code, detail) => ({
  type: `https://serinus.dev/errors/${code}`,
  title: "refused",
  status,
  code,
  detail,
});

function overview() {
  const all = Object.values(rollouts);
  const needs = calm
    ? []
    : all
        .filter((view) => view.hold)
        .map((view) => ({
          subject: view.key,
          sentence: view.sentence,
          commands: [`serinus rollout resume ${view.key}`, `serinus rollback ${view.key}`],
        }));
  const shown = calm ? all.filter((view) => view.phase === "running") : all;
  return {
    needs,
    rollouts: shown.map(summary),
    features: features(),
    environment: "production",
    head: head(),
    clock_factor: factor,
    now_at: Date.now() * 1000,
  };
}

function get(path, query) {
  const [, first, second, third] = path.match(/^\/([^/]+)(?:\/([^/]+))?(?:\/(.+))?$/) ?? [];
  if (path === "/overview") return overview();
  if (path === "/rollouts") return { rollouts: Object.values(rollouts).map(summary) };
  if (first === "rollouts" && rollouts[second])
    return third === "report" ? reportOf(rollouts[second], log) : rollouts[second];
  if (path === "/features") return { features: features() };
  if (first === "features") return features().find(({ key }) => key === second);
  if (path === "/revisions") return { revisions: [...log].reverse().map(revisionRow), head: head() };
  if (first === "revisions") return revision(Number(second));
  if (path === "/interactions") {
    const of = (view) =>
      (!query.get("rollout") || view.record.arm.rollout === query.get("rollout")) &&
      (!query.get("arm") || view.record.arm.arm === query.get("arm"));
    return {
      interactions: interactions()
        .filter(of)
        .map(({ messages, ...view }) => view)
        .slice(0, Number(query.get("limit") ?? 50)),
    };
  }
  if (first === "interactions") return interactions().find(({ record }) => record.id === second);
  if (path === "/artifacts")
    return {
      artifacts: [
        ["system_prompt", "support", 2],
        ["model", "gpt-4o", 1],
        ["model", "gpt-4o-mini", 2],
        ["sampling", "support", 1],
        ["output_parser", "answer", 2],
      ].map(([kind, name, latest]) => ({ kind, name, latest, versions: latest })),
    };
  if (first === "artifacts" && third?.includes("/"))
    return {
      kind: second,
      name: third.split("/")[0],
      version: Number(third.split("/")[1]),
      content: { text: PROMPTS[third.split("/")[1]], variables: {} },
    };
  if (first === "artifacts")
    return {
      kind: second,
      name: third,
      versions: [1, 2].map((version) => ({
        reference: `${second}/${third}@${version}`,
        version,
        digest: "5c".repeat(32),
        author: version === 1 ? "adopt" : "ana",
        message: version === 1 ? "as it was seen" : "shorter answers",
        created_at: started - (3 - version) * 864e8,
        requires: [],
        used_by: version === 1 ? ["support"] : ["support-1"],
      })),
    };
  return undefined;
}

function post(path, body) {
  const [, key, verb] = path.match(/^\/rollouts\/([^/]+)\/(\w+)$/) ?? [];
  if (path === "/session") return [200, { actor: "ana", access: "administrator", scopes: ["admin"] }];
  if (path === "/rollback") return rollback(body);
  if (rollouts[key]) return move(key, verb);
  return [404, problem(404, "request.unknown", "there is no such command")];
}

function asset(path, response) {
  const file = join(dist, normalize(path));
  const found = file.startsWith(dist) && extname(file) !== "" && existsSync(file);
  const served = found ? file : join(dist, "index.html");
  response.writeHead(200, {
    "content-type": TYPES[extname(served)] ?? "application/octet-stream",
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
  });
  response.end(readFileSync(served));
}

function stream(response) {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  response.write(": hello\n\n");
  streams.add(response);
  response.on("close", () => streams.delete(response));
}

createServer(async (request, response) => {
  const url = new URL(request.url, "http://localhost");
  if (!url.pathname.startsWith("/api/v1")) return asset(url.pathname, response);
  const path = decodeURIComponent(url.pathname.slice("/api/v1".length));
  if (path === "/stream") return stream(response);
  let status = 200;
  let answer;
  if (request.method === "GET") {
    answer = get(path, url.searchParams);
  } else {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    [status, answer] = post(path, JSON.parse(Buffer.concat(chunks).toString() || "{}"));
  }
  if (!answer) [status, answer] = [404, problem(404, "request.unknown", `there is nothing at ${path}`)];
  response.writeHead(status, {
    "content-type": status >= 400 ? "application/problem+json" : "application/json",
  });
  response.end(JSON.stringify(answer));
}).listen(port, "127.0.0.1", () => console.log(`mock on http://127.0.0.1:${port}`));
