import path from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DecodedStream } from '../../src/data/decode_stream.js';
import { loadTokenizer } from '../../src/data/tokenizer.js';
import { hardStrings } from './hard_strings.js';

const fixture = (name: string) =>
  loadTokenizer(path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures', `${name}.json`));
const kinds = ['gpt2', 'llama2', 'gemma', 'bert', 't5', 'clip', 'subword_prefix', 'unigram_bytes', 'word_level'];

test.each(kinds)('%s: tokens that come one by one say what they say at once, after any others', (kind) => {
  const tokenizer = fixture(kind);
  const texts = hardStrings(200, 3).filter(({ length }) => length < 60);
  const anyIds = fc.oneof(
    fc.array(fc.nat(tokenizer.vocab - 1), { maxLength: 12 }),
    fc.constantFrom(...texts).map((text) => [...tokenizer.encodeOrdinary(text)]),
  );
  fc.assert(
    fc.property(anyIds, fc.nat(), (ids, cut) => {
      const before = ids.slice(0, cut % (ids.length + 1));
      const after = ids.slice(before.length);
      fc.pre(tokenizer.decode(ids).startsWith(tokenizer.decode(before))); // not within a character
      const stream = new DecodedStream(tokenizer, before);
      const pieces = [...after.map((id) => stream.push(id)), stream.end()].join('');
      expect(pieces).toBe(stream.text());
      expect(pieces).toBe(tokenizer.decode(ids).slice(tokenizer.decode(before).length));
    }),
    { numRuns: 60 },
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
  expect(after.map((id) => stream.push(id)).join('') + stream.end()).toBe(further);
});
