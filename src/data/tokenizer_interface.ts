/** What a tokenizer is to the rest of the program. */
import { bytesText } from '../ir/units.js';
import type { InParts } from './in_parts.js';
import type { TokenizerJson } from './tokenizer_json.js';

export interface Tokenizer {
  /** Our own encoder, or the reference library. */
  readonly kind: 'byte-level-bpe' | 'hugging-face';
  /** As it stands in tokenizer.json. */
  readonly json: TokenizerJson;
  /** Ids are 0 … vocab − 1; where the file's ids have holes, some are no token's. */
  readonly vocab: number;
  /** SHA-256 of what of the tokenizer.json decides the ids of a text, and of what reads it. */
  readonly fingerprint: string;
  /**
   * Text to ids. Added tokens that stand in the text (`<|endoftext|>`) become themselves; none are put around it: Hugging Face's
   * `encode(text, add_special_tokens=False)`. A lone surrogate, which is no character, is read as U+FFFD.
   */
  encode(text: string): Int32Array;
  /** As {@link encode}, with parts to rest between: the reference library may be long about it. */
  encodeInParts(text: string): InParts<Int32Array>;
  /**
   * Text to ids, special tokens that stand in it being ordinary text, as with Hugging Face's `encode_special_tokens`. Data is encoded
   * so: no document can forge a separator, but where the model itself has a separator's text as one of its words.
   */
  encodeOrdinary(text: string): Int32Array;
  /** Many texts as {@link encodeOrdinary}, in their order. Whoever goes no further leaves nothing running. */
  encodeAll(texts: Iterable<NamedText>): Generator<Encoding, void, void>;
  /** Ids to text, special tokens as they are written. Bytes that are not UTF-8, as when a character is cut, become U+FFFD. */
  decode(ids: Iterable<number>): string;
  /** As {@link decode}, with parts to rest between. */
  decodeInParts(ids: Iterable<number>): InParts<string>;
  /** Ids to the bytes of their text. Of our own vocabularies part of a character stays what it is; of others it is U+FFFD. */
  decodeBytes(ids: Iterable<number>): Uint8Array;
  /** The id of a token, as it is written in the vocabulary; null where there is none. */
  idOf(token: string): number | null;
  /** UTF-8 bytes of the text these ids stand for. Special tokens, such as the separator, stand for none. */
  textBytes(ids: Iterable<number>): number;
  /** As {@link textBytes}, with parts to rest between. */
  textBytesInParts(ids: Iterable<number>): InParts<number>;
}

/** A text, and what messages call it: its file, or its place in one. */
export interface NamedText {
  readonly path: string;
  readonly text: string;
}

/** The ids of the next text; or what is worked on, at a rest before they are there. */
export type Encoding = Int32Array | { readonly at: string };

/** What is told at a rest within a text. */
export function encodingFor({ path, text }: NamedText, milliseconds: number): Exclude<Encoding, Int32Array> {
  const seconds = Math.floor(milliseconds / 1000);
  return { at: seconds < 1 ? path : `${path}, ${bytesText(text.length)}, for ${seconds} s` };
}
