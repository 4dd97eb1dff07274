/** Hugging Face's tokenizer.json: what we write, and what of it we read ourselves. */

/** The parts that matter here; other fields are kept as they are. */
export interface TokenizerJson {
  readonly version?: string;
  readonly added_tokens?: readonly AddedToken[];
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
 * Why our own encoder cannot stand in for the library's on this tokenizer, or null where it can: byte-level BPE with GPT-2's
 * pre-tokens and no normalizer, whose added tokens are matched literally.
 */
export function whyNotByteLevel(json: TokenizerJson): string | null {
  const { model, pre_tokenizer: pre, decoder, normalizer, added_tokens: added = [] } = json;
  if (model.type !== undefined && model.type !== 'BPE') return `model ${String(model.type)}`;
  if (model.merges === undefined) return 'no merges';
  if (model.dropout || model.ignore_merges || model.byte_fallback) return 'dropout, ignore_merges or byte_fallback';
  if (model.continuing_subword_prefix || model.end_of_word_suffix) return 'affixes';
  if (normalizer) return 'a normalizer';
  if (field(pre, 'type') !== 'ByteLevel' || field(decoder, 'type') !== 'ByteLevel') return 'not ByteLevel';
  if (field(pre, 'add_prefix_space') === true || field(pre, 'use_regex') === false) return 'other pre-tokens';
  if (added.some((token) => token.lstrip || token.rstrip || token.single_word)) return 'added tokens that strip';
  return null;
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
