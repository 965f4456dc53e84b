// Cases of proposals, path differences and what a flag serves, as text. Refuses to draw.

import { describe, expect, it } from "vitest";
import type { ProposalView } from "../api/model";
import { differences, valueText } from "./paths";
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
    [{ a: 1, b: 2 }, { a: 1, c: 3 }, ["/b", "/c"]],
    [{ a: [1, 2] }, { a: [1, 3, 4] }, ["/a/1", "/a/2"]],
    [undefined, { a: 1 }, ["/"]],
    [{ a: { b: "x" } }, { a: "x" }, ["/a"]],
  ])("%j to %j", (before, after, paths) =>
    expect(differences(before, after).map(({ path }) => path)).toEqual(paths),
  );

  it("shortens what is long", () => expect(valueText("x".repeat(500))).toHaveLength(161));
});
