/** Text of tokens that come one by one. */
import type { Tokenizer } from './tokenizer_interface.js';

/**
 * Gives of each further token the text that is certain with it, so that the pieces together are what all tokens decode to at once: a
 * token may end within a character, and whether bytes in a row are one is known when the row has ended. Tokens that go on after others
 * are decoded behind them: alone, the first would lose the space before it to many decoders.
 */
export class DecodedStream {
  readonly #tokenizer: Tokenizer;
  readonly #ids: number[];
  readonly #before: number; // length of the text that the tokens follow
  readonly #isByte: (id: number) => boolean;
  #told: number;

  constructor(tokenizer: Tokenizer, before: readonly number[] = []) {
    this.#tokenizer = tokenizer;
    this.#ids = [...before];
    this.#told = this.#before = tokenizer.decode(before).length;
    const bytes = byteIds(tokenizer);
    this.#isByte = (id) => bytes.has(id);
  }

  push(id: number): string {
    this.#ids.push(id);
    if (this.#isByte(id)) return '';
    const text = this.#tokenizer.decode(this.#ids);
    return text.endsWith('\ufffd') ? '' : this.#tell(text);
  }

  /** What is left when no token follows. */
  end(): string {
    return this.#tell(this.#tokenizer.decode(this.#ids));
  }

  /** Of all tokens so far. */
  text(): string {
    return this.#tokenizer.decode(this.#ids).slice(this.#before);
  }

  #tell(text: string): string {
    const further = text.slice(this.#told);
    this.#told = text.length;
    return further;
  }
}

/** Tokens that stand for one byte and are joined to characters by the decoder (`<0xE4>`). */
function byteIds(tokenizer: Tokenizer): ReadonlySet<number> {
  const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0').toUpperCase());
  return new Set(digits.flatMap((byte) => tokenizer.idOf(`<0x${byte}>`) ?? []));
}
