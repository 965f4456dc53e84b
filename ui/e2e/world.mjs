// What the walk through the configuration needs to find: prompts, flags, a segment, a schedule, an environment, a token. Refuses to look
// at a page.

const DAY_MS = 86_400_000;

/** Requests of the API with a key; a refusal is an error that shows the answer. */
export function api(base, key) {
  return async (method, path, body, environment) => {
    const answer = await fetch(`${base}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/json",
        ...(environment ? { "serinus-environment": environment } : {}),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : null;
  };
}

const PROMPT = {
  text: "You are the support desk of {{ shop }}. Answer kindly and at length, explain every step, and thank the customer.",
  variables: { shop: { type: "string", default: "Canary Goods" } },
};
const CONCISE = {
  text: "You are the support desk of {{ shop }}. Answer briefly and kindly, and name the next step.",
  variables: { shop: { type: "string", default: "Canary Goods" } },
};

const LONG =
  "the-flag-with-the-longest-name-that-anybody-has-come-up-with-so-far-in-this-organisation-and-beyond";

const FLAGS = {
  "dark-mode": {
    kind: "boolean",
    variants: { on: true, off: false },
    default: "off",
    description: "The dark theme of the web shop",
    owner: "web-team",
    tags: ["web", "theme"],
    rules: [{ id: "staff", when: { segment: "staff" }, serve: { variant: "on" } }],
  },
  "index-ready": { kind: "boolean", variants: { on: true, off: false }, default: "on", permanent: true },
  "search-ranker": {
    kind: "string",
    variants: { old: "bm25", new: "hybrid" },
    default: "old",
    description: "Which ranker answers a search",
    owner: "search-team",
    tags: ["search"],
    forced: [{ units: ["user-1", "user-2"], variant: "new" }],
    prerequisites: [{ flag: "index-ready", variants: ["on"] }],
    rules: [
      {
        id: "paying-us",
        when: {
          and: [
            { equals: { attribute: "country", value: "US" } },
            { in: { attribute: "plan", values: ["pro", "team"] } },
            { semver: { attribute: "app", op: "at_least", version: "2.3.0" } },
          ],
        },
        serve: {
          split: [
            { variant: "new", share_ppm: 50_000 },
            { variant: "old", share_ppm: 950_000 },
          ],
        },
        bucket_by: "org",
      },
    ],
  },
  "checkout-limits": {
    kind: "object",
    variants: {
      normal: {
        items_max: 50,
        countries: ["DE", "FR", "PT"],
        note: "as agreed with the warehouse in spring",
      },
      peak: { items_max: 20, countries: ["DE"], note: "while the warehouse moves" },
    },
    default: "normal",
    tags: ["shop"],
    schema: {
      type: "object",
      properties: { items_max: { type: "integer", minimum: 1 } },
      required: ["items_max"],
    },
  },
  [LONG]: {
    description: "unbroken".repeat(20),
    kind: "string",
    variants: { a: "a".repeat(90), b: "short" },
    default: "a",
    tags: ["long-lived"],
  },
};

/** Fills a server that has nothing yet. */
export async function seed(ask) {
  await ask("POST", "/artifacts", {
    kind: "model",
    name: "small",
    content: { provider: "openai", model: "gpt-4o-mini", input_micro_usd_per_million: 150_000 },
    message: "what production serves",
  });
  const prompt = (content, message) => ({ kind: "system_prompt", name: "support", content, message });
  await ask("POST", "/artifacts", prompt(PROMPT, "as it was in the code"));
  await ask("POST", "/artifacts", prompt(CONCISE, "shorter answers"));
  await ask("PUT", "/features/support", {
    description: "Answers customers in the shop's chat",
    control: { model: "model/small@1", system_prompt: "system_prompt/support@1" },
    categories: ["billing", "returns"],
  });
  await ask("PUT", "/segments/staff", {
    description: "Everybody who works here",
    when: { ends_with: { attribute: "mail", values: ["@example.com"] } },
    included: ["ana"],
    excluded: ["eve"],
  });
  await ask("PUT", "/flags/index-ready", FLAGS["index-ready"]);
  for (const [key, flag] of Object.entries(FLAGS)) await ask("PUT", `/flags/${key}`, flag);
  await ask("PUT", "/schedules/launch", {
    at: (Date.now() + 30 * DAY_MS) * 1000,
    planned: { do: "set_flag", flag: "dark-mode", disabled: true },
    message: "the old theme comes back for the sale",
  });
  await ask("PUT", "/environments/staging", {});
  const staged = { ...FLAGS["checkout-limits"], default: "peak", schema: undefined };
  await ask("PUT", "/flags/checkout-limits", staged, "staging");
  await ask("PUT", "/flags/only-in-staging", FLAGS["index-ready"], "staging");
}

/** A proposal that brings its text and starts a rollout when it is approved, with something said about it. */
export async function propose(ben, ana) {
  const made = await ben("POST", "/proposals", {
    rollout: { change: {}, from: "canary" },
    publish: [{ feature: "support", layer: "system_prompt", content: CONCISE_AND_CLEAR }],
    message: "shorter answers",
    reviewers: ["ana"],
  });
  await ana("POST", `/proposals/${made.id}/comment`, { text: "Keep the thanks at the end, please." });
  await ben("POST", `/proposals/${made.id}/comment`, { text: "It reads as a phrase; the survey says so." });
  return made.id;
}

const CONCISE_AND_CLEAR = {
  text: "You are the support desk of {{ shop }}. Answer in two sentences, kindly, and name the next step.",
  variables: PROMPT.variables,
};
