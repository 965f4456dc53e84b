// Points over time made ready to draw: thinned, with a vertical range that early, wide intervals cannot spoil.
// Refuses to know pixels.

import type { Point } from "../api/model";

/** At most `limit` of `items`, evenly, the first and the last among them. */
export function thinned<T>(items: readonly T[], limit: number): T[] {
  if (items.length <= limit) return [...items];
  if (limit < 2) return items.slice(-1);
  const step = (items.length - 1) / (limit - 1);
  return Array.from({ length: limit }, (_, i) => items[Math.round(i * step)] as T);
}

/** Zero, the margin and the later intervals fit; the first ones, which say only "unknown", are cut off. */
export function verticalRange(points: readonly Point[], marks: readonly number[]): [number, number] {
  const late = points.slice(Math.floor(points.length / 3));
  const bounded = late.filter((point) => Math.abs(point.lower) < 1e9 && Math.abs(point.upper) < 1e9);
  const values = [0, ...marks, ...bounded.flatMap((point) => [point.lower, point.upper])];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const air = (high - low || 1) * 0.08;
  return [low - air, high + air];
}

/** The last point at or before a moment, else the first. */
export function pointAt<T extends { at: number }>(points: readonly T[], at: number): T | undefined {
  let found = points[0];
  for (const point of points) {
    if (point.at > at) break;
    found = point;
  }
  return found;
}
