// Every request that the dashboard makes, typed by the OpenAPI document. Refuses to interpret an answer.

import createClient from "openapi-fetch";
import { environment, HOME } from "./environment";
import type { News } from "./live";
import type { InteractionFilter } from "./model";
import { unwrap } from "./problem";
import type { Resource } from "./resource";
import type { paths } from "./schema";

const client = createClient<paths>({ baseUrl: window.location.origin });

client.use({
  onRequest({ request }) {
    if (environment() !== HOME) request.headers.set("Serinus-Environment", environment());
    request.headers.set("Serinus-Client", "dashboard");
    return request;
  },
});

type Answer<T> = Promise<{ data?: T; error?: unknown; response: Response }>;

/** As often as a person reads numbers that move. */
const EVERY_MS = 1_000;
/** A report carries every point of every chart. */
const REPORT_EVERY_MS = 2_000;

function resource<T>(
  id: string,
  ask: () => Answer<T>,
  concerns: (news: News) => boolean,
  everyMs = EVERY_MS,
): Resource<T> {
  return { id, load: async () => unwrap(await ask()), concerns, everyMs };
}

const always = () => true;
/** What can never change once it is written. */
const never = () => false;
const byRevision = (news: News) => news.kind === "revision";
const ofRollout = (key: string) => (news: News) =>
  news.kind === "tick" || (news.kind === "report" ? news.rollout === key : news.rollouts.includes(key));
/** Calls arrive without news of their own. */
const byTick = (news: News) => news.kind === "tick";

/** What can be read. */
export const read = {
  overview: () => resource("overview", () => client.GET("/api/v1/overview"), always),
  rollouts: () => resource("rollouts", () => client.GET("/api/v1/rollouts"), always),
  rollout: (key: string) =>
    resource(
      `rollouts/${key}`,
      () => client.GET("/api/v1/rollouts/{key}", { params: { path: { key } } }),
      ofRollout(key),
    ),
  report: (key: string) =>
    resource(
      `rollouts/${key}/report`,
      () => client.GET("/api/v1/rollouts/{key}/report", { params: { path: { key } } }),
      ofRollout(key),
      REPORT_EVERY_MS,
    ),
  feature: (key: string) =>
    resource(
      `features/${key}`,
      () => client.GET("/api/v1/features/{key}", { params: { path: { key } } }),
      byRevision,
    ),
  revisions: (before: number | null) =>
    resource(
      `revisions?${before ?? ""}`,
      () => client.GET("/api/v1/revisions", { params: { query: before === null ? {} : { before } } }),
      byRevision,
    ),
  revision: (number: number) =>
    resource(
      `revisions/${number}`,
      () => client.GET("/api/v1/revisions/{number}", { params: { path: { number } } }),
      never,
    ),
  interactions: (query: InteractionFilter) =>
    resource(
      `interactions?${JSON.stringify(query)}`,
      () => client.GET("/api/v1/interactions", { params: { query } }),
      byTick,
    ),
  interaction: (id: string) =>
    resource(
      `interactions/${id}`,
      () => client.GET("/api/v1/interactions/{id}", { params: { path: { id } } }),
      byTick,
    ),
  artifacts: () => resource("artifacts", () => client.GET("/api/v1/artifacts"), byRevision),
  artifact: (kind: string, name: string) =>
    resource(
      `artifacts/${kind}/${name}`,
      () => client.GET("/api/v1/artifacts/{kind}/{name}", { params: { path: { kind, name } } }),
      byRevision,
    ),
  artifactVersion: (kind: string, name: string, version: number) =>
    resource(
      `artifacts/${kind}/${name}/${version}`,
      () =>
        client.GET("/api/v1/artifacts/{kind}/{name}/{version}", {
          params: { path: { kind, name, version } },
        }),
      never,
    ),
};

/** What can be commanded. */
export const post = {
  session: async (key: string) => unwrap(await client.POST("/api/v1/session", { body: { key } })),
  rollback: async (subject: string) => unwrap(await client.POST("/api/v1/rollback", { body: { subject } })),
  move: async (key: string, verb: "hold" | "resume" | "advance" | "rearm") =>
    unwrap(await client.POST(`/api/v1/rollouts/{key}/${verb}`, { params: { path: { key } }, body: {} })),
};
