// Cases of points made ready to draw. Refuses to draw.

import { describe, expect, it } from "vitest";
import type { Point } from "../api/model";
import { pointAt, thinned, verticalRange } from "./series";

const point = (at: number, lower: number, upper: number): Point => ({
  at,
  n: at,
  difference: (lower + upper) / 2,
  lower,
  upper,
  e: 1,
});

describe("thinned", () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i);

  it("keeps the first and the last", () => {
    const few = thinned(hundred, 7);
    expect(few).toHaveLength(7);
    expect([few[0], few.at(-1)]).toEqual([0, 99]);
  });

  it("keeps the order and repeats none", () => {
    const few = thinned(hundred, 64);
    expect(few).toEqual([...new Set(few)].sort((a, b) => a - b));
  });

  it("leaves a short list as it is", () => expect(thinned([1, 2], 5)).toEqual([1, 2]));
  it("keeps the last where there is room for one", () => expect(thinned(hundred, 1)).toEqual([99]));
});

describe("verticalRange", () => {
  it("holds zero, the margin and late intervals, not the unbounded ones before", () => {
    const points = [point(1, -1e300, 1e300), point(2, -0.2, 0.2), point(3, -0.02, 0.04)];
    const [low, high] = verticalRange(points, [0.1]);
    expect(low).toBeLessThan(-0.2);
    expect(low).toBeGreaterThan(-0.3);
    expect(high).toBeGreaterThan(0.2);
    expect(high).toBeLessThan(0.3);
  });

  it("is never empty", () => {
    const [low, high] = verticalRange([], []);
    expect(high).toBeGreaterThan(low);
  });
});

describe("pointAt", () => {
  const points = [point(10, 0, 1), point(20, 0, 1), point(30, 0, 1)];
  it.each([
    [5, 10],
    [10, 10],
    [29, 20],
    [99, 30],
  ])("at %d finds the one of %d", (at, found) => expect(pointAt(points, at)?.at).toBe(found));
});
