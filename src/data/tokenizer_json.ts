/** Hugging Face's tokenizer.json: what we write, and what of it we read ourselves. */
import { isDeepStrictEqual } from 'node:util';
import { byteCharacters } from './byte_level.js';

/** The parts that matter here; other fields are kept as they are. */
export interface TokenizerJson {
  readonly version?: string;
  readonly added_tokens?: readonly AddedToken[] | null;
  readonly normalizer?: unknown;
  readonly pre_tokenizer?: unknown;
  readonly post_processor?: unknown;
  readonly decoder?: unknown;
  readonly model: {
    readonly type?: string;
    readonly vocab: Readonly<Record<string, number>>;
    readonly merges?: readonly (string | readonly [string, string])[];
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly single_word: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly normalized: boolean;
  readonly special: boolean;
}

/** A byte-level BPE as GPT-2's: `tokens` by id, `merges` by rank. */
export function byteLevelTokenizerJson(p: {
  tokens: readonly string[];
  merges: readonly (readonly [string, string])[];
  separator: string;
}): TokenizerJson {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [{ id: p.tokens.indexOf(p.separator), content: p.separator, ...plain }],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(p.tokens.map((token, id) => [token, id])),
      merges: p.merges,
    },
  };
}

/**
 * Whether a tokenizer.json is one that {@link byteLevelTokenizerJson} makes, in every field. Our own encoder reads those; whatever else
 * there is in such files, it need not know.
 */
export function isOfOurs(json: TokenizerJson): boolean {
  const { model } = json;
  const added = json.added_tokens ?? [];
  if (added.length !== 1 || !Array.isArray(model.merges)) return false;
  const tokens: string[] = [];
  for (const [token, id] of Object.entries(model.vocab)) tokens[id] = token;
  if (byteCharacters.some((character) => model.vocab[character] === undefined)) return false;
  const merges = model.merges as readonly (readonly [string, string])[];
  return isDeepStrictEqual(json, byteLevelTokenizerJson({ tokens, merges, separator: added[0].content }));
}
