// One copy of each answer, shared by everything on the page that reads it, read again when news concerns it.
// Refuses to know what an answer means.

import { useCallback, useSyncExternalStore } from "react";
import { type News, subscribe } from "./live";

/** Something that can be read, and which news make it worth reading again. */
export type Resource<T> = {
  id: string;
  load: () => Promise<T>;
  concerns: (news: News) => boolean;
  /** The least time between two readings that a report or the clock causes. */
  everyMs: number;
};

export type Reading<T> = { data: T | undefined; failure: unknown; refresh: () => void };

type Entry = {
  resource: Resource<unknown>;
  reading: Reading<unknown>;
  readers: Set<() => void>;
  loading: boolean;
  stale: boolean;
  startedAt: number;
  due: number | null;
};

/** Answers kept while nobody looks, so that going back shows the last one at once. */
const KEPT_MAX = 60;

const entries = new Map<string, Entry>();

subscribe((news) => {
  for (const entry of entries.values()) {
    if (entry.readers.size === 0 || !entry.resource.concerns(news)) continue;
    if (news.kind === "revision") load(entry);
    else loadSoon(entry);
  }
});

/** Reports come several times a second, and some answers are large: the last news of each span causes one reading. */
function loadSoon(entry: Entry): void {
  if (entry.due !== null) return;
  const wait = entry.startedAt + entry.resource.everyMs - Date.now();
  if (wait <= 0) {
    load(entry);
    return;
  }
  entry.due = window.setTimeout(() => {
    entry.due = null;
    if (entry.readers.size > 0) load(entry);
  }, wait);
}

/** Reads a resource for as long as the component is there. */
export function useResource<T>(resource: Resource<T>): Reading<T> {
  const { id } = resource;
  const entry = entryOf(resource);
  const watch = useCallback(
    (changed: () => void) => {
      const own = entries.get(id);
      if (!own) return () => undefined;
      own.readers.add(changed);
      load(own);
      return () => own.readers.delete(changed);
    },
    [id],
  );
  // The id names the type: only one reader exists per id.
  return useSyncExternalStore(watch, () => entry.reading) as Reading<T>;
}

/** Reads everything on the page again, after a command. */
export function refreshAll(): void {
  for (const entry of entries.values()) {
    if (entry.readers.size > 0) load(entry);
  }
}

function entryOf(resource: Resource<unknown>): Entry {
  const known = entries.get(resource.id);
  if (known) return known;
  const entry: Entry = {
    resource,
    reading: { data: undefined, failure: undefined, refresh: () => load(entry) },
    readers: new Set(),
    loading: false,
    stale: false,
    startedAt: 0,
    due: null,
  };
  entries.set(resource.id, entry);
  forgetOldest();
  return entry;
}

function forgetOldest(): void {
  for (const [id, entry] of entries) {
    if (entries.size <= KEPT_MAX) return;
    if (entry.readers.size === 0 && !entry.loading) entries.delete(id);
  }
}

/** One request at a time; news that come meanwhile cause one more after it. */
function load(entry: Entry): void {
  if (entry.loading) {
    entry.stale = true;
    return;
  }
  entry.loading = true;
  entry.stale = false;
  entry.startedAt = Date.now();
  entry.resource
    .load()
    .then((data) => publish(entry, { data, failure: undefined }))
    // The last good answer stays on the page beside the failure.
    .catch((failure: unknown) => publish(entry, { data: entry.reading.data, failure }))
    .finally(() => {
      entry.loading = false;
      if (entry.stale && entry.readers.size > 0) load(entry);
    });
}

function publish(entry: Entry, next: { data: unknown; failure: unknown }): void {
  entry.reading = { ...entry.reading, ...next };
  for (const changed of entry.readers) changed();
}
