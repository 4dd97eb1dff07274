import { ReferenceTokenizer } from '../../src/data/reference_tokenizer.js';
import type { Tokenizer } from '../../src/data/tokenizer.js';
import { wholeEvery, type Readings } from './expected.js';

/** What a tokenizer makes of each text. */
export function readingsOf(tokenizer: Tokenizer, texts: readonly string[]): Readings {
  const ordinary: number[][] = [];
  for (const encoding of tokenizer.encodeAll(texts.map((text, i) => ({ path: `text ${i}`, text }))))
    if (encoding instanceof Int32Array) ordinary.push([...encoding]);
  const decoded =
    tokenizer instanceof ReferenceTokenizer
      ? tokenizer.decodeEach(ordinary)
      : ordinary.map((ids) => tokenizer.decode(ids));
  return texts.map((text, i) => [ordinary[i], decoded[i], i % wholeEvery === 0 ? [...tokenizer.encode(text)] : null]);
}
