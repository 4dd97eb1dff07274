/** Training and validation documents: which is which depends on paths and sizes alone. */
import type { Document } from './corpus.js';
import { sha256 } from './hash.js';

export interface Split {
  readonly train: readonly Document[];
  readonly validation: readonly Document[];
}

/**
 * Takes whole documents for validation, in the order of the hash of their path, as long as they fit into `fraction` of all bytes;
 * one that does not fit is passed over. Documents of more than an eighth of that share come last, lest one of them be most of it.
 * Adding a file moves few others across.
 * Where not even a fifth of that share can be filled so (a single file, a few large ones), the last `fraction` of the largest
 * document's lines becomes a validation document of its own, cut at a line.
 * @param documents deduplicated.
 */
export function splitDocuments(documents: readonly Document[], fraction: number): Split {
  let total = 0;
  for (const { bytes } of documents) total += bytes;
  const budget = total * fraction;
  const chosen = new Set<Document>();
  let taken = 0;
  const keyed = documents.map((document) => ({ document, key: sha256(['validation', document.path]) }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  for (const largest of [budget / 8, budget]) {
    for (const { document } of keyed) {
      if (chosen.has(document) || document.bytes > largest || taken + document.bytes > budget) continue;
      chosen.add(document);
      taken += document.bytes;
    }
  }
  const train = documents.filter((document) => !chosen.has(document));
  const validation = documents.filter((document) => chosen.has(document));
  if (taken >= budget / 5 || train.length === 0) return { train, validation };
  const largest = train.reduce((a, b) => (b.bytes > a.bytes ? b : a));
  const [head, tail] = cutTail(largest, Math.ceil(largest.text.length * fraction));
  return {
    train: train.map((document) => (document === largest ? head : document)),
    validation: [...validation, tail],
  };
}

/** Cuts about `characters` off the end, at a line where there is one near, and never through a surrogate pair. */
function cutTail({ path, text }: Document, characters: number): [Document, Document] {
  let at = text.length - characters;
  const line = text.lastIndexOf('\n', at) + 1;
  if (line > at - characters && line > 0) at = line;
  else if (at > 0 && /[\uD800-\uDBFF]/.test(text[at - 1])) at--;
  const part = (path: string, text: string) => ({ path, text, bytes: Buffer.byteLength(text) });
  return [part(path, text.slice(0, at)), part(`${path}:tail`, text.slice(at))];
}
