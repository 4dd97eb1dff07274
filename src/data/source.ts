/** What a user says about data: `data.text('corpus/**\/*.md', { tokenizer: { train: 'bpe', vocab: 8192 } })`. Plain values, so a run can store it. */
import { optionOutOfRange, vocabTooSmall } from './diagnostics.js';

/** Where the tokenizer comes from. */
export type TokenizerSource =
  | {
      /** Train a byte-level BPE on the training documents. */
      readonly train: 'bpe';
      /** Size of the vocabulary, tokens. Default 8192; 257 and more. Larger: fewer tokens a text, more parameters in the embedding. */
      readonly vocab?: number;
      /** A pair of symbols seen less often is not merged. Default 2; 1 and more. */
      readonly min_frequency?: number;
    }
  | {
      /** A Hugging Face tokenizer.json, resolved against the working directory. */
      readonly file: string;
      /** The token put between documents. Default: the first of `<|endoftext|>`, `<|end_of_text|>`, `</s>`, `<eos>`, … it has. */
      readonly separator?: string;
    };

export interface TextOptions {
  /** Default: a byte-level BPE of 8192 tokens, trained on the text. */
  readonly tokenizer?: TokenizerSource;
  /** Share of the text kept for validation, as whole files. Fraction of bytes; default 0.04; above 0, at most 0.5. */
  readonly validation_fraction?: number;
  /** Most text to read, bytes. Default 400 million (it is prepared in memory); 1 to 2²⁹ − 25. Files are then chosen by the hash of their path. */
  readonly max_bytes?: number;
  /** The field of a .jsonl record that holds its text. Default 'text'. */
  readonly field?: string;
}

/** Text data, every field filled in. */
export interface TextSource {
  readonly kind: 'text';
  /** Files, folders and globs; null: the TypeScript sources that npm installed. */
  readonly paths: readonly string[] | null;
  readonly tokenizer: TokenizerSource;
  readonly validation_fraction: number;
  readonly max_bytes: number;
  readonly field: string;
}

/**
 * Text from files, folders (searched for .txt, .md, .jsonl and source files) and globs (`**`, `*`, `?`, `[…]`, `{a,b}`).
 * @throws data/option-out-of-range, data/vocab-too-small.
 */
export function text(paths: string | readonly string[], options: TextOptions = {}): TextSource {
  return source(typeof paths === 'string' ? [paths] : paths, options);
}

/** The default corpus: TypeScript declarations and sources under node_modules, the same wherever the lockfile is the same. */
export function installed(options: TextOptions = {}): TextSource {
  return source(null, options);
}

/** V8's longest string. */
const MAX_TEXT = 2 ** 29 - 25;

function source(paths: readonly string[] | null, options: TextOptions): TextSource {
  const { tokenizer = { train: 'bpe' }, validation_fraction = 0.04, max_bytes = 400_000_000, field = 'text' } = options;
  const require = (field: string, value: number, legal: boolean, range: string) => {
    if (!legal) throw optionOutOfRange({ field, value, range });
  };
  require('validation_fraction', validation_fraction, validation_fraction > 0 &&
    validation_fraction <= 0.5, '(0, 0.5]');
  require('max_bytes', max_bytes, Number.isInteger(max_bytes) &&
    max_bytes >= 1 &&
    max_bytes <= MAX_TEXT, `[1, ${MAX_TEXT}], whole`);
  if ('train' in tokenizer) {
    const { vocab = 8192, min_frequency = 2 } = tokenizer;
    if (vocab < 257) throw vocabTooSmall({ vocab, least: 257 });
    require('tokenizer.vocab', vocab, Number.isInteger(vocab) && vocab <= 2 ** 24, '[257, 2²⁴], whole');
    require('tokenizer.min_frequency', min_frequency, Number.isInteger(min_frequency) &&
      min_frequency >= 1, '[1, ∞), whole');
    return {
      kind: 'text',
      paths,
      tokenizer: { train: 'bpe', vocab, min_frequency },
      validation_fraction,
      max_bytes,
      field,
    };
  }
  return { kind: 'text', paths, tokenizer, validation_fraction, max_bytes, field };
}
