// Cases of spans and moments. Refuses to read a clock.

import { describe, expect, it } from "vitest";
import { ago, serverNow, span } from "./span";

describe("span", () => {
  it.each([
    [0, "0 ms"],
    [999, "999 ms"],
    [1_000, "1 s"],
    [1_213, "1.2 s"],
    [90_000, "90 s"],
    [3_600_000, "1 h"],
    [5_400_000, "90 min"],
    [9_000_000, "2.5 h"],
    [604_800_000, "7 d"],
    [-5, "0 ms"],
  ])("writes %d ms as %s", (ms, text) => expect(span(ms)).toBe(text));
});

describe("ago", () => {
  const now = 1_700_000_000_000_000;
  it.each([
    [0, "just now"],
    [30, "30 s ago"],
    [240, "4 min ago"],
    [7_200, "2 h ago"],
    [-7_200, "in 2 h"],
    [259_200, "3 d ago"],
  ])("writes %d s before as %s", (seconds, text) => expect(ago(now - seconds * 1e6, now)).toBe(text));
});

describe("serverNow", () => {
  it("moves on at the server's pace", () => {
    expect(serverNow({ nowAt: 5_000_000, readAt: 1_000, factor: 1440 }, 3_000)).toBe(
      5_000_000 + 2_000_000 * 1440,
    );
  });
});
