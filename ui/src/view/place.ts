// Where the page of something named by the server is. Refuses to send anybody to a page that does not exist.

type Known = { rollouts: readonly { key: string }[]; features: readonly { key: string }[] };

/** The page of a rollout, a proposal, a flag or a feature; none for anything else, such as a node. */
export function placeOf(subject: string, known: Known | undefined): string | null {
  if (known?.rollouts.some(({ key }) => key === subject)) return `/r/${encodeURIComponent(subject)}`;
  const proposal = /^proposal (\d+)$/.exec(subject)?.[1];
  if (proposal) return `/p/${proposal}`;
  const flag = /^flag\/(.+)$/.exec(subject)?.[1];
  if (flag) return `/flags/${encodeURIComponent(flag)}`;
  // Diagnostics name a part of a feature: `feature/support rule 2`.
  const feature = subject.replace(/^feature\//, "").split(" ")[0] ?? "";
  return known?.features.some(({ key }) => key === feature) ? `/f/${encodeURIComponent(feature)}` : null;
}
