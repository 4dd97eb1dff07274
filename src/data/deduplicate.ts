/** Drops documents whose content another one already has, so that no validation document can have been trained on. */
import { createHash } from 'node:crypto';
import type { Document } from './corpus.js';
import type { HowFar, InParts } from './in_parts.js';

export interface Deduplicated {
  /** In the order given. */
  readonly documents: readonly Document[];
  /** Equal after {@link normalise}. */
  readonly equal: readonly Document[];
  /** Not equal, but more than half of it stands in other documents. */
  readonly contained: readonly Document[];
}

/** Words in a row that, found twice, are no accident: the 13 of GPT-3's decontamination (Brown et al. 2020, appendix C). */
const SHINGLE_WORDS = 13;
/** One shingle in so many is kept, chosen by its hash (Broder 1997's modular sketch): enough for a share, a fraction of the memory. */
const SAMPLING = 8;
/** Below so many sampled shingles a share would be noise. */
const LEAST_SAMPLES = 4;

/**
 * Keeps one of each group of documents with the same {@link normalise}d content, then drops every document of whose sampled
 * 13-word shingles more than half occur in documents already kept. Larger documents are considered first, so that an excerpt goes
 * and what it was taken from stays.
 */
export function* deduplicate(documents: readonly Document[]): InParts<Deduplicated> {
  const order = [...documents].sort((a, b) => b.bytes - a.bytes || (a.path < b.path ? -1 : 1));
  const contents = new Set<string>();
  const shingles = new Set<number>();
  const [kept, equal, contained] = [new Set<Document>(), [] as Document[], [] as Document[]];
  for (const [done, document] of order.entries()) {
    const how: HowFar = { done, total: order.length, unit: 'documents', at: document.path };
    yield how;
    const content = yield* contentHash(document.text, how);
    if (contents.has(content)) {
      equal.push(document);
      continue;
    }
    contents.add(content);
    const own = yield* sampleShingles(document.text, how);
    let known = 0;
    for (const shingle of own) if (shingles.has(shingle)) known++;
    if (own.size >= LEAST_SAMPLES && known > own.size / 2) {
      contained.push(document);
      continue;
    }
    for (const shingle of own) shingles.add(shingle);
    kept.add(document);
  }
  return { documents: documents.filter((document) => kept.has(document)), equal, contained };
}

/**
 * What twins have in common: white space is one space, source map comments are gone, and module specifiers end alike, so that
 * `index.d.ts` and `index.d.cts` (which imports './x.cjs' where the other imports './x.js') are one.
 */
export function normalise(text: string): string {
  return text
    .replace(/\/\/# sourceMappingURL=\S*/g, '')
    .replace(/\.[cm]?[jt]s(?=['"])/g, '.js')
    .replace(/\s+/g, ' ')
    .trim();
}

/** Characters of a text that are normalised at once. */
const PIECE = 1 << 20;

/** SHA-256 of a text as {@link normalise} leaves it, in pieces: white space is between any two of them, and between no more. */
function* contentHash(text: string, how: HowFar): InParts<string> {
  const hash = createHash('sha256');
  let isFirst = true;
  for (let from = 0; from < text.length;) {
    const to = cutAfter(text, from + PIECE);
    const piece = normalise(from === 0 && to === text.length ? text : text.slice(from, to));
    if (piece !== '') {
      hash.update(isFirst ? piece : ` ${piece}`);
      isFirst = false;
    }
    from = to;
    yield how;
  }
  return hash.digest('hex');
}

/** The place after the next white space that is in no source map comment; the end of the text where there is none. */
function cutAfter(text: string, at: number): number {
  if (at >= text.length) return text.length;
  const space = /(?<!\/\/#)\s/g;
  space.lastIndex = at;
  return space.test(text) ? space.lastIndex : text.length;
}

/** Words between two places to rest. */
const WORDS_AT_ONCE = 1 << 14;

/** Hashes of the sampled runs of 13 words of a text. A word is letters, digits and underscores. */
export function* sampleShingles(text: string, how: HowFar): InParts<Set<number>> {
  const shingles = new Set<number>();
  const recent = new Int32Array(SHINGLE_WORDS);
  let words = 0;
  for (const [word] of text.matchAll(/[\p{L}\p{N}_]+/gu)) {
    if (words % WORDS_AT_ONCE === 0) yield how;
    recent[words++ % SHINGLE_WORDS] = hashWord(word);
    if (words < SHINGLE_WORDS) continue;
    let hash = 0;
    for (let i = 0; i < SHINGLE_WORDS; i++) hash = (Math.imul(hash, 31) + recent[(words + i) % SHINGLE_WORDS]) | 0;
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    hash ^= hash >>> 13;
    if (hash % SAMPLING === 0) shingles.add(hash);
  }
  return shingles;
}

/** FNV-1a over UTF-16 code units. */
function hashWord(word: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < word.length; i++) hash = Math.imul(hash ^ word.charCodeAt(i), 0x01000193);
  return hash;
}
