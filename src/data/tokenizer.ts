/** Tokenizers: one interface, our encoder where it fits, Hugging Face's library for the rest. */
import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import { DiagnosticError } from '../ir/diagnostic.js';
import { ByteLevelBpe } from './byte_level_bpe.js';
import { whyNoTokenizer } from './check_tokenizer_json.js';
import { separatorMissing, tokenizerInvalid, tokenizerTooSlow } from './diagnostics.js';
import { sha256 } from './hash.js';
import { expressionsOf, probeCharacters, probeTexts } from './probe_texts.js';
import { parseJson, readText } from './read_text.js';
import { whyNotByteLevel, type TokenizerJson } from './tokenizer_json.js';
import { withinTime } from './within_time.js';

export interface Tokenizer {
  readonly kind: 'byte-level-bpe' | 'hugging-face';
  /** As it stands in tokenizer.json. */
  readonly json: TokenizerJson;
  /** Ids are 0 … vocab − 1. */
  readonly vocab: number;
  /** SHA-256 of the tokenizer.json, as parsed. */
  readonly fingerprint: string;
  /** Text to ids. Added tokens that stand in the text (`<|endoftext|>`) become themselves, as in Hugging Face's `encode`. */
  encode(text: string): Int32Array;
  /** Text to ids, whatever stands in it being ordinary text. Data is encoded so: no document can forge a separator. */
  encodeOrdinary(text: string): Int32Array;
  /** Ids to text. Bytes that are not UTF-8, as when a character is cut, become U+FFFD. */
  decode(ids: Iterable<number>): string;
  /** Ids to bytes; part of a character stays what it is, so that a stream can be decoded piece by piece. */
  decodeBytes(ids: Iterable<number>): Uint8Array;
  /** The id of a token, as it is written in the vocabulary; null where there is none. */
  idOf(token: string): number | null;
  /** UTF-8 bytes of the text these ids stand for. Added tokens, such as the separator, stand for none. */
  textBytes(ids: Iterable<number>): number;
}

/**
 * Loads a tokenizer.json.
 * @throws data/tokenizer-invalid where it cannot be read, parsed or used.
 */
export function loadTokenizer(file: string): Tokenizer {
  let json: unknown;
  try {
    json = parseJson(readText(file));
  } catch (error) {
    throw tokenizerInvalid({ file, reason: error instanceof Error ? error.message : String(error) }, { cause: error });
  }
  const reason = whyNoTokenizer(json);
  if (reason !== null) throw tokenizerInvalid({ file, reason });
  return makeTokenizer(json as TokenizerJson, file);
}

/** The tokenizer that a parsed tokenizer.json describes. `file` is for messages. */
export function makeTokenizer(json: TokenizerJson, file = 'tokenizer.json'): Tokenizer {
  return whyNotByteLevel(json) === null ? new ByteLevelBpe(json, file) : new HuggingFaceTokenizer(json, file);
}

/** What models call the token between documents, in the order tried. */
const SEPARATORS = ['<|endoftext|>', '<|end_of_text|>', '</s>', '<eos>', '<|eos|>', '<|im_end|>', '[SEP]'];

/**
 * The id that separates documents: that of `name`, or of the first usual name that the tokenizer has.
 * @throws data/no-separator-token.
 */
export function separatorId(tokenizer: Tokenizer, name?: string, file = 'tokenizer.json'): number {
  const tried = name === undefined ? SEPARATORS : [name];
  for (const token of tried) {
    const id = tokenizer.idOf(token);
    if (id !== null) return id;
  }
  throw separatorMissing({ file, tried });
}

/** Characters: shorter texts the probes speak for. */
const longText = 1000;

/** Any other tokenizer.json (WordPiece, Unigram, normalizers …), through @huggingface/tokenizers. Slower, and equal to it. */
class HuggingFaceTokenizer implements Tokenizer {
  readonly kind = 'hugging-face';
  readonly json: TokenizerJson;
  readonly vocab: number;
  readonly fingerprint: string;
  private readonly library: LibraryTokenizer;
  private readonly addedIds: ReadonlySet<number>;
  private readonly file: string;
  private readonly expressions: readonly string[];

  constructor(json: TokenizerJson, file: string) {
    this.file = file;
    this.expressions = expressionsOf(json);
    this.library = this.guarded(() => new LibraryTokenizer(json, {}));
    this.json = json;
    this.fingerprint = sha256([JSON.stringify(json)]);
    this.addedIds = new Set((json.added_tokens ?? []).map(({ id }) => id));
    let largest = -1;
    for (const id of this.library.get_vocab(true).values()) largest = Math.max(largest, id);
    this.vocab = largest + 1;
    // What fails, or does not end, on a run of one letter does so on a text sooner or later.
    this.inTime({ characters: probeCharacters, milliseconds: 1000 }, () => {
      for (const text of probeTexts(this.expressions)) this.library.encode(text, { add_special_tokens: false });
      for (let id = 0; id < Math.min(this.vocab, 256); id++) this.decode([id]);
    });
  }

  encode(text: string): Int32Array {
    const encode = () => Int32Array.from(this.library.encode(text, { add_special_tokens: false }).ids);
    const { length: characters } = text;
    if (characters < longText) return this.guarded(encode);
    return this.inTime({ characters, milliseconds: 30_000 + characters / 10 }, encode);
  }

  /** The library always matches added tokens; a zero-width space after their first character keeps them text. */
  encodeOrdinary(text: string): Int32Array {
    let ordinary = text;
    for (const { content, special } of this.json.added_tokens ?? []) {
      if (special && ordinary.includes(content))
        ordinary = ordinary.replaceAll(content, `${content[0]}\u200b${content.slice(1)}`);
    }
    return this.encode(ordinary);
  }

  decode(ids: Iterable<number>): string {
    const list = Array.from(ids);
    if (list.length === 0) return '';
    return this.guarded(() => this.library.decode(list, { clean_up_tokenization_spaces: false }));
  }

  decodeBytes(ids: Iterable<number>): Uint8Array {
    return new TextEncoder().encode(this.decode(ids));
  }

  idOf(token: string): number | null {
    return this.library.token_to_id(token) ?? null;
  }

  textBytes(ids: Iterable<number>): number {
    return this.decodeBytes(Array.from(ids).filter((id) => !this.addedIds.has(id))).length;
  }

  /** What the library throws, with the file that it throws at. */
  private guarded<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      if (error instanceof DiagnosticError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw tokenizerInvalid({ file: this.file, reason }, { cause: error });
    }
  }

  /** A call on a text of so many characters, ended where it takes much longer than that. */
  private inTime<T>(limit: { readonly characters: number; readonly milliseconds: number }, call: () => T): T {
    const { characters, milliseconds } = limit;
    const done = this.guarded(() => withinTime(milliseconds, call));
    if (done !== null) return done.value;
    const { file, expressions } = this;
    throw tokenizerTooSlow({ file, characters, seconds: milliseconds / 1000, expressions });
  }
}
