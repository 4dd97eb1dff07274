/** Minimal tokenizer.json files: one part each that tokenizers differ in. */
import { byteCharacters } from '../../src/data/byte_level.js';

export interface Part {
  readonly [field: string]: unknown;
}

const bytes = (text: string): string => [...Buffer.from(text)].map((byte) => byteCharacters[byte]).join('');

/** `added_tokens` of these texts and ids. */
export const addedTokens = (tokens: Readonly<Record<string, number>>, fields: Part = {}): readonly Part[] =>
  Object.entries(tokens).map(([content, id]) => ({
    ...{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
    ...fields,
  }));

export interface SmallBpe {
  readonly special?: readonly string[];
  readonly merges?: readonly (readonly [string, string])[];
  readonly pre?: Part;
  readonly normalizer?: Part;
  readonly decoder?: Part;
  readonly added?: readonly Part[];
  readonly model?: Part;
}

/** A BPE whose vocabulary is the special tokens, then `tokens`. */
export function smallBpe(tokens: readonly string[], options: SmallBpe = {}): Part {
  const { special = ['[UNK]', '[SEP]'], merges = [], pre, normalizer, decoder, added = [], model = {} } = options;
  const vocab = Object.fromEntries([...special, ...tokens].map((token, id) => [token, id]));
  const own = addedTokens(Object.fromEntries(special.map((token) => [token, vocab[token]])));
  return {
    version: '1.0',
    added_tokens: [...own, ...added],
    ...(pre && { pre_tokenizer: pre }),
    ...(normalizer && { normalizer }),
    ...(decoder && { decoder }),
    model: { type: 'BPE', unk_token: special.includes('[UNK]') ? '[UNK]' : null, vocab, merges, ...model },
  };
}

export const byteLevel: Part = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };

/** A byte-level BPE that builds these words from the left. */
export function smallByteLevel(words: readonly string[], options: SmallBpe = {}): Part {
  const tokens = [...byteCharacters];
  const merges: (readonly [string, string])[] = [];
  for (const word of words.map(bytes)) {
    for (let i = 1; i < word.length; i++) {
      const [left, right] = [word.slice(0, i), word[i]];
      if (tokens.includes(left + right)) continue;
      tokens.push(left + right);
      merges.push([left, right]);
    }
  }
  return smallBpe(tokens, { special: ['<|endoftext|>'], merges, pre: byteLevel, decoder: byteLevel, ...options });
}
