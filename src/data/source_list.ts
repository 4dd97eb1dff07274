/**
 * `sources.json`: the files that a data set was prepared from, each with the hash of its text, so that it can be said later which have
 * changed. It lies in the data set's folder, and a run keeps a copy.
 */
import { z } from 'zod';
import type { ReadSource } from './corpus.js';
import { parseFields } from '../ir/parse_json.js';
import { readText } from './read_text.js';

export const sourcesName = 'sources.json';

const schema = z.array(z.strictObject({ path: z.string(), bytes: z.int().nonnegative(), sha256: z.string() }));

/** One file a line. */
export const sourceListText = (sources: readonly ReadSource[]): string =>
  `[\n${sources.map((source) => JSON.stringify(source)).join(',\n')}\n]\n`;

/** Reads a list; null where there is none that can be read: earlier versions kept none. */
export function readSourceList(file: string): readonly ReadSource[] | null {
  try {
    return schema.parse(parseFields(readText(file)));
  } catch {
    return null;
  }
}

/** How files have changed: `text/a.md edited`, `text/b.md added`, in the order of their paths. */
export function sourceChanges(before: readonly ReadSource[], after: readonly ReadSource[]): readonly string[] {
  const [old, now] = [before, after].map((list) => new Map(list.map((source) => [source.path, source])));
  const paths = [...new Set([...old.keys(), ...now.keys()])].sort();
  return paths.flatMap((path) => {
    const [was, is] = [old.get(path), now.get(path)];
    if (!was) return [`${path} added`];
    if (!is) return [`${path} gone`];
    return was.sha256 === is.sha256 ? [] : [`${path} edited`];
  });
}
