// Cases of proposals, path differences and what a flag serves, as text. Refuses to draw.

import { describe, expect, it } from "vitest";
import type { Condition, FlagView, ProposalView } from "../api/model";
import { attributes, conditionText, flagSentence, flagsInOrder, lifeWord } from "./flag";
import { differences, shortKey, valueText } from "./paths";
import { inOrder, names, proposalSentence } from "./proposal";

const proposal = (over: Partial<ProposalView>) =>
  ({ state: "open", waits_for: [], conflicts: [], hold: false, ...over }) as ProposalView;

describe("proposals", () => {
  it.each<[string, string]>([
    [names([]), ""],
    [names(["ana"]), "ana"],
    [names(["ana", "ben", "cleo"]), "ana, ben and cleo"],
    [proposalSentence(proposal({ waits_for: ["ana"] })), "Waits for ana."],
    [proposalSentence(proposal({ waits_for: ["approver"] })), "Waits for anybody who may approve."],
    [proposalSentence(proposal({ state: "applied", revision: 42 })), "In effect since revision 42."],
    [proposalSentence(proposal({ hold: true })), "Approved, and held until somebody applies it."],
    [
      proposalSentence(proposal({ conflicts: [{ key: "flag/a", reason: "", revision: 3 }] })),
      "What it changes was changed by somebody else: look at it again.",
    ],
  ])("%s", (have, want) => expect(have).toBe(want));

  it("lists what waits first", () => {
    const one = (id: number, state: string) => ({ id, state }) as Parameters<typeof inOrder>[0][number];
    const order = inOrder([one(1, "open"), one(2, "applied"), one(3, "draft"), one(4, "open")]);
    expect(order.map(({ id }) => id)).toEqual([4, 1, 3, 2]);
  });
});

describe("differences", () => {
  it.each<[unknown, unknown, string[]]>([
    [{ a: 1 }, { a: 1 }, []],
    [{ a: 1, b: 2 }, { a: 1, c: 3 }, ["b", "c"]],
    [{ a: [1, 2] }, { a: [1, 3, 4] }, ["a[1]", "a[2]"]],
    [undefined, { a: 1 }, [""]],
    [{ a: { b: "x" } }, { a: "x" }, ["a"]],
    [{ a: [{ b: 1 }] }, { a: [{ b: 2 }] }, ["a[0].b"]],
  ])("%j to %j", (before, after, paths) =>
    expect(differences(before, after).map(({ path }) => path)).toEqual(paths),
  );

  it("shortens what is long", () => {
    expect(valueText("x".repeat(500))).toHaveLength(161);
    expect(shortKey(`combination/support/${"ab".repeat(16)}`)).toBe("combination/support/abababab");
  });
});

describe("flags", () => {
  const plan: Condition = { in: { attribute: "plan", values: ["pro", "team"] } };
  const flag = (over: Partial<FlagView>) =>
    ({
      key: "a",
      variants: { on: true, off: false },
      default: "off",
      rules: [],
      lifecycle: { state: "active" },
      ...over,
    }) as FlagView;

  it.each<[string, string]>([
    [conditionText(null), "everybody"],
    [conditionText({ or: [] }), "nobody"],
    [conditionText(plan), "plan is pro or team"],
    [
      conditionText({ and: [plan, { or: [{ present: { attribute: "beta" } }, { segment: "staff" }] }] }),
      "plan is pro or team and (beta is given or in segment staff)",
    ],
    [
      conditionText({ not: { semver: { attribute: "app", op: "at_least", version: "2.3.0" } } }),
      "not (app is at least version 2.3.0)",
    ],
    [flagSentence(flag({})), "Everybody gets off (false)."],
    [flagSentence(flag({ variants: { off: "x".repeat(41) as never } })), "Everybody gets off."],
    [flagSentence(flag({ disabled: true })), "It is off: callers get their own default."],
    [
      flagSentence(
        flag({
          rules: [
            {
              serve: {
                split: [
                  { variant: "on", share_ppm: 50_000 },
                  { variant: "off", share_ppm: 950_000 },
                ],
              },
            },
          ],
        }),
      ),
      "Everybody: on 5%, off 95%.",
    ],
    [
      flagSentence(flag({ rules: [{ when: plan, serve: { variant: "on" } }] })),
      "1 rule; everybody else gets off (false).",
    ],
  ])("%s", (have, want) => expect(have).toBe(want));

  it.each<[string, boolean, string]>([
    ["active", false, "in use"],
    ["settled", false, "settled"],
    ["unused", false, "unused"],
    ["unused", true, "meant to stay"],
  ])("a flag that is %s, permanent %s: %s", (state, permanent, want) =>
    expect(lifeWord(flag({ permanent, lifecycle: { state, evaluations: 0, used_by: [] } }))).toBe(want),
  );

  it("shows what needs somebody first", () => {
    const list = [
      flag({ key: "a" }),
      flag({ key: "b", lifecycle: { state: "settled", evaluations: 1, used_by: [] } }),
      flag({ key: "c", broken: "no" }),
      flag({ key: "d", archived: true }),
      flag({ key: "e", permanent: true, lifecycle: { state: "unused", evaluations: 1, used_by: [] } }),
    ];
    expect(flagsInOrder(list, "").map(({ key }) => key)).toEqual(["c", "b", "a", "e"]);
    expect(flagsInOrder(list, "d").map(({ key }) => key)).toEqual(["d"]);
  });

  it("reads attributes", () =>
    expect(attributes("plan = pro\nseats=12\nbeta=true\nnonsense")).toEqual({
      plan: "pro",
      seats: 12,
      beta: true,
    }));
});
