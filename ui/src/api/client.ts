// Every request that the dashboard makes, typed by the OpenAPI document. Refuses to interpret an answer.

import createClient from "openapi-fetch";
import { environment, HOME } from "./environment";
import type { News } from "./live";
import type {
  Context,
  EnvironmentRules,
  FlagBody,
  InteractionFilter,
  NewPerson,
  RevisionFilter,
  TokenBody,
} from "./model";
import { done, unwrap } from "./problem";
import type { Resource } from "./resource";
import type { paths } from "./schema";

const client = createClient<paths>({ baseUrl: window.location.origin });

client.use({
  onRequest({ request }) {
    if (environment() !== HOME && !request.headers.has(ENVIRONMENT)) {
      request.headers.set(ENVIRONMENT, environment());
    }
    request.headers.set("Serinus-Client", "dashboard");
    return request;
  },
});

/** What a request says where it goes, when that is not where this page looks. */
const ENVIRONMENT = "Serinus-Environment";
const sentTo = (key: string) => ({ headers: { [ENVIRONMENT]: key } });

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
  revisions: (query: RevisionFilter) =>
    resource(
      `revisions?${JSON.stringify(query)}`,
      () => client.GET("/api/v1/revisions", { params: { query } }),
      byRevision,
    ),
  revisionDiff: (number: number) =>
    resource(
      `revisions/${number}/diff`,
      () => client.GET("/api/v1/revisions/{number}/diff", { params: { path: { number } } }),
      never,
    ),
  session: () => resource("session", () => client.GET("/api/v1/session"), never),
  environments: () => resource("environments", () => client.GET("/api/v1/environments"), byTick),
  environmentDiff: (from: string, to: string) =>
    resource(
      `environments/diff?${from}&${to}`,
      () => client.GET("/api/v1/environments/diff", { params: { query: { from, to } } }),
      byRevision,
    ),
  proposals: (state: string | null) =>
    resource(
      `proposals?${state ?? ""}`,
      () => client.GET("/api/v1/proposals", { params: { query: state === null ? {} : { state } } }),
      byTick,
    ),
  proposal: (id: number) =>
    resource(
      `proposals/${id}`,
      () => client.GET("/api/v1/proposals/{id}", { params: { path: { id } } }),
      byTick,
    ),
  people: () => resource("people", () => client.GET("/api/v1/people"), byTick),
  tokens: () => resource("tokens", () => client.GET("/api/v1/tokens"), byTick),
  nodes: () => resource("nodes", () => client.GET("/api/v1/nodes"), byTick),
  clients: () => resource("clients", () => client.GET("/api/v1/clients"), byTick),
  featureHistory: (key: string) =>
    resource(
      `features/${key}/history`,
      () => client.GET("/api/v1/features/{key}/history", { params: { path: { key } } }),
      byRevision,
    ),
  artifactDiff: (kind: string, name: string, from: number, to: number) =>
    resource(
      `artifacts/${kind}/${name}/diff?${from}&${to}`,
      () =>
        client.GET("/api/v1/artifacts/{kind}/{name}/diff", {
          params: { path: { kind, name }, query: { from, to } },
        }),
      never,
    ),
  flags: () =>
    resource("flags", () => client.GET("/api/v1/flags", { params: { query: { archived: true } } }), byTick),
  flag: (key: string) =>
    resource(
      `flags/${key}`,
      () => client.GET("/api/v1/flags/{key}", { params: { path: { key } } }),
      byRevision,
    ),
  segments: () => resource("segments", () => client.GET("/api/v1/segments"), byRevision),
  schedules: () => resource("schedules", () => client.GET("/api/v1/schedules"), byRevision),
  sources: () => resource("artifacts/sources", () => client.GET("/api/v1/artifacts/sources"), byTick),
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
  artifacts: () =>
    resource(
      "artifacts",
      () => client.GET("/api/v1/artifacts", { params: { query: { archived: false } } }),
      byRevision,
    ),
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
  approve: async (id: number, digest: string) =>
    unwrap(
      await client.POST("/api/v1/proposals/{id}/approve", { params: { path: { id } }, body: { digest } }),
    ),
  comment: async (id: number, text: string) =>
    unwrap(await client.POST("/api/v1/proposals/{id}/comment", { params: { path: { id } }, body: { text } })),
  proposal: async (id: number, verb: "submit" | "withdraw" | "apply") =>
    unwrap(await client.POST(`/api/v1/proposals/{id}/${verb}`, { params: { path: { id } } })),
  revert: async (number: number, dry_run: boolean) =>
    unwrap(
      await client.POST("/api/v1/revisions/{number}/revert", {
        params: { path: { number } },
        body: { dry_run },
      }),
    ),
  person: async (body: NewPerson) => unwrap(await client.POST("/api/v1/people", { body })),
  link: async (id: string) =>
    unwrap(await client.POST("/api/v1/people/{id}/link", { params: { path: { id } }, body: {} })),
  disable: async (id: string, disabled: boolean) =>
    unwrap(await client.PUT("/api/v1/people/{id}", { params: { path: { id } }, body: { disabled } })),
  token: async (body: TokenBody) => unwrap(await client.POST("/api/v1/tokens", { body })),
  revokeToken: async (id: string) =>
    done(await client.DELETE("/api/v1/tokens/{id}", { params: { path: { id } } })),
  environment: async (key: string, body: EnvironmentRules) =>
    unwrap(await client.PUT("/api/v1/environments/{key}", { params: { path: { key } }, body })),
  /** Its rules are in its own log, wherever this page looks. */
  protect: async (key: string, isProtected: boolean) =>
    unwrap(
      await client.PUT("/api/v1/environments/{key}", {
        params: { path: { key } },
        body: { protected: isProtected },
        ...sentTo(key),
      }),
    ),
  copy: async (from: string, to: string, subjects: string[], dry_run: boolean) =>
    unwrap(
      await client.POST("/api/v1/environments/copy", {
        body: { from, to, subjects, dry_run },
        ...sentTo(to),
      }),
    ),
  flag: async (key: string, body: FlagBody) =>
    unwrap(await client.PUT("/api/v1/flags/{key}", { params: { path: { key } }, body })),
  explain: async (kind: "flags" | "features", key: string, context: Context) =>
    unwrap(
      await client.POST(`/api/v1/${kind}/{key}/explain`, { params: { path: { key } }, body: { context } }),
    ),
  archive: async (kind: string, name: string, version: number, archived: boolean) =>
    unwrap(
      await client.POST("/api/v1/artifacts/{kind}/{name}/{version}/archive", {
        params: { path: { kind, name, version } },
        body: { archived },
      }),
    ),
  render: async (reference: string, variables: Record<string, never>) =>
    unwrap(await client.POST("/api/v1/artifacts/render", { body: { reference, variables } })),
};
