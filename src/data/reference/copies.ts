/**
 * A tokenizer.json as the reference library is given it: twice, once as it is and once without its special tokens, so that what stands in
 * a text is text; and the ids that both give, brought to one meaning.
 *
 * The library numbers added tokens itself, whatever `id` they are written with: those that the vocabulary has get their id there, the
 * others follow one another from the size of the vocabulary on. Without the special ones others would get their numbers. And where a
 * vocabulary has holes, its size is the id of one of its own tokens. So the copies have vocabularies without holes, and `ids` tells what
 * the numbers of each stand for.
 */
import type { AddedToken, TokenizerJson } from '../tokenizer_json.js';

export interface ReferenceCopies {
  /** As text, for the library. */
  readonly whole: string;
  readonly ordinary: string;
  /** The library's numbers → ids. null: they are the same. */
  readonly idsOfWhole: Int32Array | null;
  readonly idsOfOrdinary: Int32Array | null;
  /** Every token, its added ones included, and its id. */
  readonly vocabulary: ReadonlyMap<string, number>;
  /** Ids are 0 … vocab − 1; those in a hole are no token's. */
  readonly vocab: number;
}

/** Why there can be none: two tokens of one id. */
export interface NoCopies {
  readonly reason: string;
}

export function referenceCopies(json: TokenizerJson): ReferenceCopies | NoCopies {
  const tokens = modelTokens(json);
  const byId = new Map<number, string>();
  for (const [token, id] of tokens) {
    const other = byId.get(id);
    if (other !== undefined) return { reason: `'${other}' and '${token}' have the same id, ${id}` };
    byId.set(id, token);
  }
  // Of two pieces of a Unigram model that are written the same, the library finds the last.
  const written = new Map(tokens);
  const added = json.added_tokens ?? [];
  const ids = addedIds({ written, byId, size: tokens.length }, added);
  if ('reason' in ids) return ids;

  const inOrder = [...byId.keys()].sort((a, b) => a - b);
  const hasHoles = inOrder.some((id, i) => id !== i);
  const dense = hasHoles ? new Map(inOrder.map((id, i) => [byId.get(id) ?? '', i])) : null;
  const numbered = (kept: readonly AddedToken[]): Int32Array | null => {
    const numbers = [...inOrder];
    for (const content of new Set(kept.map(({ content }) => content)))
      if (!written.has(content)) numbers.push(ids.get(content) ?? 0);
    return numbers.every((id, i) => id === i) ? null : Int32Array.from(numbers);
  };
  const ordinary = added.filter(({ special }) => !special);
  const vocabulary = new Map(written);
  for (const [content, id] of ids) vocabulary.set(content, id);
  const model = modelText(json, dense);
  return {
    whole: textFor(json, added, model),
    ordinary: textFor(json, ordinary, model),
    idsOfWhole: numbered(added),
    idsOfOrdinary: numbered(ordinary),
    vocabulary,
    vocab: 1 + [...ids.values()].reduce((a, b) => Math.max(a, b), inOrder[inOrder.length - 1] ?? -1),
  };
}

/** The model's own tokens, each with its id. */
function modelTokens({ model }: TokenizerJson): readonly (readonly [string, number])[] {
  const { vocab } = model as { readonly vocab: object };
  return Array.isArray(vocab)
    ? (vocab as readonly (readonly [string, number])[]).map(([piece], id) => [piece, id])
    : Object.entries(vocab as Readonly<Record<string, number>>);
}

interface Model {
  readonly written: ReadonlyMap<string, number>;
  readonly byId: ReadonlyMap<number, string>;
  readonly size: number;
}

/**
 * Added token → id: as the library gives them; as they are written where that would be the id of another token, which is so only where
 * a vocabulary has holes.
 */
function addedIds(
  { written, byId, size }: Model,
  added: readonly AddedToken[],
): ReadonlyMap<string, number> | NoCopies {
  const given = new Map<string, number>();
  let next = size;
  for (const { content } of added) if (!given.has(content)) given.set(content, written.get(content) ?? next++);
  if (![...given].some(([content, id]) => (byId.get(id) ?? content) !== content)) return given;
  const asWritten = new Map<string, number>();
  const taken = new Map(byId);
  for (const { content, id } of added) {
    const own = written.get(content) ?? id;
    const other = taken.get(own) ?? content;
    if (other !== content) return { reason: `'${other}' and the added token '${content}' have the same id, ${own}` };
    taken.set(own, content);
    asWritten.set(content, own);
  }
  return asWritten;
}

/** The model without what would make the ids of a text depend on chance. */
function modelText({ model }: TokenizerJson, dense: ReadonlyMap<string, number> | null): string {
  return JSON.stringify(withoutNulls({ ...model, dropout: null, ...(dense && { vocab: Object.fromEntries(dense) }) }));
}

/** The whole file, without what leaves a part of a text out or puts tokens around it. */
function textFor(json: TokenizerJson, added: readonly AddedToken[], model: string): string {
  const parts = { ...json, model: null, added_tokens: added.map(withAllFields) };
  const text = JSON.stringify(withoutNulls({ ...parts, truncation: null, padding: null, post_processor: null }));
  return `${text.slice(0, -1)},"model":${model}}`;
}

/** Fields that are null are as absent ones. */
const withoutNulls = (fields: object): object =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined));

const withAllFields = (token: Partial<AddedToken>): object => ({
  ...{ single_word: false, lstrip: false, rstrip: false, normalized: token.special !== true },
  ...withoutNulls(token),
  special: token.special === true,
});
