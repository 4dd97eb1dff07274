/** Text of tokens that come one by one. */
import type { InParts } from './in_parts.js';
import type { Tokenizer } from './tokenizer_interface.js';

/** What of a tokenizer it needs. */
type Decoder = Pick<Tokenizer, 'decodeInParts' | 'idOf'>;

/** Tokens that are decoded before a further one. A decoder looks at the neighbours of a token, if at any, and at the beginning of a text. */
const leastContext = 8;

/** Tokens that are decoded at once before the window is moved on: each costs the decoding of some twenty, however long the text. */
const fullWindow = 32;

/**
 * Gives of each further token the text that is certain with it, so that the pieces together are what all tokens decode to at once: a
 * token may end within a character, and whether bytes in a row are one is known when the row has ended. Tokens that go on after others
 * are decoded behind them: alone, the first would lose the space before it to many decoders.
 */
export class DecodedStream {
  readonly #tokenizer: Decoder;
  readonly #isByte: (id: number) => boolean;
  /** The last of all tokens, from one on that no row of bytes goes through. */
  #window: number[];
  /** Length of what of the window's text is told; null before the first is asked for. */
  #told: number | null = null;
  #moveAt = fullWindow;

  constructor(tokenizer: Decoder, before: readonly number[] = []) {
    this.#tokenizer = tokenizer;
    this.#window = [...before];
    const bytes = byteIds(tokenizer);
    this.#isByte = (id) => bytes.has(id);
  }

  /** In parts, since a tokenizer may be long about it. */
  *push(id: number): InParts<string> {
    const told = yield* this.#toldBefore();
    this.#window.push(id);
    if (this.#isByte(id)) return '';
    const text = yield* this.#tokenizer.decodeInParts(this.#window);
    if (text.endsWith('\ufffd')) return '';
    this.#told = text.length;
    if (this.#window.length >= this.#moveAt) yield* this.#move();
    return text.slice(told);
  }

  /** What is left when no token follows. */
  *end(): InParts<string> {
    const told = yield* this.#toldBefore();
    const text = yield* this.#tokenizer.decodeInParts(this.#window);
    this.#told = text.length;
    return text.slice(told);
  }

  /** Of tokens that others precede, it is the length of their text. */
  *#toldBefore(): InParts<number> {
    if (this.#told !== null) return this.#told;
    this.#told = (yield* this.#tokenizer.decodeInParts(this.#window)).length;
    if (this.#window.length >= this.#moveAt) yield* this.#move();
    return this.#told;
  }

  /** All text of the window being told, leaves out its beginning. What is left has text: what a decoder strips at a beginning is gone with it. */
  *#move(): InParts<void> {
    let start = this.#window.length - leastContext;
    while (start > 0 && this.#isByte(this.#window[start])) start--;
    const shorter = this.#window.slice(start);
    const { length } = yield* this.#tokenizer.decodeInParts(shorter);
    if (length > 0) [this.#window, this.#told] = [shorter, length];
    this.#moveAt = Math.max(fullWindow, 2 * this.#window.length);
  }
}

/** Tokens that stand for one byte and are joined to characters by the decoder (`<0xE4>`). */
function byteIds(tokenizer: Decoder): ReadonlySet<number> {
  const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0').toUpperCase());
  return new Set(digits.flatMap((byte) => tokenizer.idOf(`<0x${byte}>`) ?? []));
}
