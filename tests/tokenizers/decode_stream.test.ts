import path from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DecodedStream } from '../../src/data/decode_stream.js';
import { atOnce } from '../../src/data/in_parts.js';
import { loadTokenizer } from '../../src/data/tokenizer.js';
import { hardStrings } from './hard_strings.js';

const fixture = (name: string) =>
  loadTokenizer(path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures', `${name}.json`));
const kinds = ['gpt2', 'llama2', 'gemma', 'bert', 't5', 'clip', 'subword_prefix', 'unigram_bytes', 'word_level'];

test.each(kinds)('%s: tokens that come one by one say what they say at once, after any others', (kind) => {
  const tokenizer = fixture(kind);
  const texts = hardStrings(200, 3).filter(({ length }) => length < 60);
  // Rows of them are characters, or none.
  const found = ['<0xE4>', '<0xB8>', '<0xAD>', '<0x61>'].flatMap((byte) => tokenizer.idOf(byte) ?? []);
  const bytes = found.length > 0 ? found : [0];
  const anyIds = fc.oneof(
    fc.array(fc.nat(tokenizer.vocab - 1), { maxLength: 12 }),
    // Longer than what is decoded at once.
    fc.array(fc.oneof(fc.nat(tokenizer.vocab - 1), fc.constantFrom(...bytes)), { minLength: 60, maxLength: 200 }),
    fc.constantFrom(...texts).map((text) => [...tokenizer.encodeOrdinary(text)]),
    fc
      .array(fc.constantFrom(...texts), { minLength: 3, maxLength: 12 })
      .map((parts) => [...tokenizer.encodeOrdinary(parts.join(' '))]),
  );
  fc.assert(
    fc.property(anyIds, fc.nat(), (ids, cut) => {
      const before = ids.slice(0, cut % (ids.length + 1));
      const after = ids.slice(before.length);
      fc.pre(tokenizer.decode(ids).startsWith(tokenizer.decode(before))); // not within a character
      const stream = new DecodedStream(tokenizer, before);
      const pieces = [...after.map((id) => atOnce(stream.push(id))), atOnce(stream.end())].join('');
      expect(pieces).toBe(tokenizer.decode(ids).slice(tokenizer.decode(before).length));
    }),
    { numRuns: 80 },
  );
});

test.each([
  ['llama2', 'The river', ' runs'],
  ['t5', 'The river', ' runs'],
  ['bert', 'the river', ' runs'],
  ['gpt2', 'The river', ' runs'],
])('%s: a text that goes on after a prompt keeps its space', (kind, prompt, further) => {
  const tokenizer = fixture(kind);
  const before = [...tokenizer.encode(prompt)];
  const after = [...tokenizer.encode(prompt + further)].slice(before.length);
  const stream = new DecodedStream(tokenizer, before);
  expect(after.map((id) => atOnce(stream.push(id))).join('') + atOnce(stream.end())).toBe(further);
});

test.each(kinds)('%s: a token costs the decoding of a few, however many came before', (kind) => {
  const tokenizer = fixture(kind);
  const text = 'the river runs by the mill and the mill stands by the river. '.repeat(60);
  const ids = [...tokenizer.encodeOrdinary(text)];
  let decoded = 0;
  const counted = {
    idOf: (token: string) => tokenizer.idOf(token),
    decodeInParts(ids: Iterable<number>) {
      decoded += [...ids].length;
      return tokenizer.decodeInParts(ids);
    },
  };
  const stream = new DecodedStream(counted, ids.slice(0, 500));
  for (const id of ids.slice(500)) atOnce(stream.push(id));
  expect(decoded).toBeLessThan(500 + 32 * ids.length);
});
