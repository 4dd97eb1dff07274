/** Whether a tokenizer.json is one: what every reader of it takes for granted, looked at once. */
import { isPlain, type Plain } from '../options/plain.js';
/** Ids a vocabulary may have. The largest that is published has 2²⁰. */
const mostIds = 2 ** 24;

/** Why a value is no tokenizer.json that can be used; null where it is one. */
export function whyNoTokenizer(value: unknown): string | null {
  if (!isPlain(value)) return 'it is no object';
  const { model } = value;
  const added = value.added_tokens ?? [];
  if (!isPlain(model)) return 'it has no model';
  if (model.type !== undefined && typeof model.type !== 'string') return `model.type is ${typeof model.type}`;
  return whyNoVocabulary(model) ?? whyNoMerges(model) ?? whyNoAddedTokens(added, model) ?? whyNoParts(value);
}

/** Token → id; a Unigram model has pairs of token and score in the order of ids. */
function whyNoVocabulary({ vocab, unk_id: unknown }: Plain): string | null {
  if (Array.isArray(vocab)) {
    const bad = vocab.findIndex(
      (entry) => !Array.isArray(entry) || typeof entry[0] !== 'string' || !Number.isFinite(entry[1]),
    );
    if (bad >= 0) return `entry ${bad} of model.vocab is no token with its score`;
    if (vocab.length === 0 || vocab.length > mostIds) return `model.vocab has ${vocab.length} tokens`;
    if (unknown !== undefined && unknown !== null && !(isId(unknown) && unknown < vocab.length))
      return `model.unk_id is ${String(unknown)}, which is the id of no token`;
    return null;
  }
  if (!isPlain(vocab)) return 'it has no model.vocab';
  const entries = Object.entries(vocab);
  if (entries.length === 0) return 'its vocabulary is empty';
  const bad = entries.find(([, id]) => !isId(id));
  const largest = entries.reduce((largest, [, id]) => Math.max(largest, Number(id)), 0);
  if (!bad && largest > mostFor(entries.length))
    return `its ids have holes: the largest is ${largest}, of ${entries.length} tokens`;
  return bad ? `the id of '${bad[0]}' is ${JSON.stringify(bad[1])}, and not a whole number below 2²⁴` : null;
}

/** Two tokens each, that are one: `left` and `right`, less the prefix that pieces inside a word have. */
function whyNoMerges({ merges, vocab, continuing_subword_prefix: prefix }: Plain): string | null {
  if (merges === undefined || merges === null) return null;
  if (!Array.isArray(merges)) return 'model.merges is no list';
  const inside = typeof prefix === 'string' ? prefix.length : 0;
  for (const [i, merge] of merges.entries()) {
    if (typeof merge === 'string' && merge.startsWith('#version')) continue;
    const pair: unknown = typeof merge === 'string' ? merge.split(' ') : merge;
    if (!isPair(pair)) return `merge ${i} of model.merges is no pair of tokens`;
    for (const token of [...pair, pair[0] + pair[1].slice(inside)])
      if (!Object.hasOwn(vocab as object, token))
        return `merge ${i} of model.merges names '${token}', which is no token`;
  }
  return null;
}

const isPair = (value: unknown): value is readonly [string, string] =>
  Array.isArray(value) && value.length === 2 && value.every((side) => typeof side === 'string' && side !== '');

function whyNoAddedTokens(added: unknown, { vocab }: Plain): string | null {
  if (!Array.isArray(added)) return 'added_tokens is no list';
  if (added.length === 0) return null;
  const bad = added.findIndex(
    (token: unknown) => !isPlain(token) || !isId(token.id) || typeof token.content !== 'string' || token.content === '',
  );
  if (bad >= 0) return `entry ${bad} of added_tokens has no id below 2²⁴, or no text`;
  const tokens = (Array.isArray(vocab) ? vocab : Object.keys(vocab as object)).length + added.length;
  const far = (added as readonly { readonly id: number }[]).findIndex(({ id }) => id > mostFor(tokens));
  return far < 0
    ? null
    : `its ids have holes: entry ${far} of added_tokens has id ${(added[far] as Plain).id as number}, of ${tokens} tokens`;
}

/** A model has a row for each id up to the largest. Some are no token's in files that are in use; most of them are in none. */
const mostFor = (tokens: number): number => 2 * tokens + 1000;

/** The parts that change and cut text: each an object with a type, or absent. */
function whyNoParts(json: Plain): string | null {
  for (const part of ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder']) {
    const value = json[part];
    if (value === undefined || value === null) continue;
    if (!isPlain(value) || typeof value.type !== 'string') return `${part} is no object with a type`;
  }
  return null;
}

const isId = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < mostIds;
