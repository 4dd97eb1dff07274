import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { preTokens } from './byte_level.js';
import { trainBpe } from './bpe_trainer.js';
import { atOnce } from './in_parts.js';
import { ReferenceTokenizer } from './reference_tokenizer.js';
import { folderWith } from './testing/folder.js';
import { anyText, smallTexts } from './testing/texts.js';
import { loadTokenizer, makeTokenizer, separatorId, type Encoding } from './tokenizer.js';
import type { TokenizerJson } from './tokenizer_json.js';

const json = atOnce(trainBpe(smallTexts, { vocab: 340, min_frequency: 1 }));
const ours = makeTokenizer(json);
const theirs = atOnce(ReferenceTokenizer.open(json, 'ours.json'));
const isIds = (encoding: Encoding): encoding is Int32Array => encoding instanceof Int32Array;

test('ids equal those of the reference library, and decode to the same text', () => {
  expect(ours.kind).toBe('byte-level-bpe');
  fc.assert(
    fc.property(fc.array(anyText(), { minLength: 1, maxLength: 20 }), (texts) => {
      const named = texts.map((text, i) => ({ path: `${i}`, text }));
      expect([...ours.encodeAll(named)].filter(isIds)).toEqual([...theirs.encodeAll(named)].filter(isIds));
      const ids = texts.map((text) => ours.encode(text));
      expect(ids).toEqual(texts.map((text) => theirs.encode(text)));
      expect(ids.map((one) => ours.decode(one))).toEqual(theirs.decodeEach(ids.map((one) => [...one])));
    }),
    { numRuns: 60 },
  );
});

test('ids of parts of characters decode as in the reference library', () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.nat(ours.vocab + 3)), { minLength: 1, maxLength: 50 }), (lists) => {
      expect(lists.map((ids) => ours.decode(ids))).toEqual(theirs.decodeEach(lists));
      expect(lists.map((ids) => ours.textBytes(ids))).toEqual(
        lists.map((ids) => ours.decodeBytes(ids.filter((id) => id !== 0)).length),
      );
    }),
    { numRuns: 20 },
  );
});

test('ids equal those of the tokenizers library itself (0.23.3)', () => {
  const ids = [263, 69, 307, 221, 326, 221, 324, 315, 339, 27, 315, 307, 287, 338, 277, 325, 319, 337, 258, 329];
  expect(Array.from(ours.encode(smallTexts.join(''))).slice(0, 20)).toEqual(ids);
  const white = 'a\u0085b\uFEFFc \u00a0d\u2003e\u200b\u1680f x\u0085\u0085y \uFEFF\uFEFFz';
  expect([...preTokens(white)].flat()).toEqual(
    ['a', '\u0085', 'b', '\uFEFF', 'c', ' ', '\u00a0', 'd', '\u2003', 'e', '\u200b', '\u1680', 'f', ' x'].concat([
      ...['\u0085', '\u0085', 'y', ' \uFEFF\uFEFF', 'z'],
    ]),
  );
});

test('text goes round, whatever is in it; so does every byte', () => {
  const anyUnicode = fc.oneof(anyText(), fc.string({ unit: 'binary' }));
  fc.assert(
    fc.property(anyUnicode, (text) => {
      const ids = ours.encodeOrdinary(text);
      expect(ours.decode(ids)).toBe(text);
      expect(ours.textBytes(ids)).toBe(Buffer.byteLength(text));
    }),
    { numRuns: 500 },
  );
  const bytes = Array.from({ length: ours.vocab }, (_, id) => ours.decodeBytes([id])).filter(
    ({ length }) => length === 1,
  );
  expect(bytes.map(([byte]) => byte).sort((a, b) => a - b)).toEqual(Array.from({ length: 256 }, (_, byte) => byte));
  fc.assert(
    fc.property(fc.array(fc.nat(ours.vocab - 1)), (ids) => {
      expect(Array.from(ours.decodeBytes(ids))).toEqual(ids.flatMap((id) => Array.from(ours.decodeBytes([id]))));
    }),
  );
});

test('a separator in the text is the separator for encode, and text for encodeOrdinary', () => {
  const separator = separatorId(ours);
  expect(Array.from(ours.encode('a<|endoftext|>b')).filter((id) => id === separator)).toHaveLength(1);
  expect(Array.from(ours.encodeOrdinary('a<|endoftext|>b'))).not.toContain(separator);
  expect(ours.textBytes([separator])).toBe(0);
  expect(ours.idOf('constructor')).toBeNull();
  expect(() => separatorId(ours, '</s>')).toThrow('data/no-separator-token');
});

test('long texts in pieces have the same pre-tokens', () => {
  fc.assert(
    fc.property(
      anyText(),
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 20 }),
      (text, length, longest) => {
        expect([...preTokens(text, length)].flat()).toEqual([...preTokens(text)].flat());
        expect([...preTokens(text, length, longest)].flat()).toEqual([...preTokens(text)].flat());
      },
    ),
  );
});

test('a word of a hundred thousand letters takes no quadratic time', () => {
  const word = 'abaabbbab'.repeat(11_112);
  const started = performance.now();
  expect(ours.decode(ours.encodeOrdinary(word))).toBe(word);
  expect(performance.now() - started).toBeLessThan(20_000); // it takes a fraction of a second; quadratic, minutes
});

test('a run of five million characters beyond Latin is one word', () => {
  const run = `a ${'中'.repeat(5_000_000)} b`;
  expect([...preTokens(run)].flat().map(({ length }) => length)).toEqual([1, 5_000_001, 2]);
});

const wordPiece: TokenizerJson = {
  version: '1.0',
  added_tokens: [
    { id: 1, content: '[SEP]', single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
  ],
  normalizer: {
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: null,
  decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  model: {
    type: 'WordPiece',
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
    vocab: { '[UNK]': 0, '[SEP]': 1, train: 2, '##ing': 3, data: 4 },
  },
};

test('another kind of tokenizer.json is served by the library', () => {
  const file = join(folderWith({ 'tokenizer.json': JSON.stringify(wordPiece) }), 'tokenizer.json');
  const tokenizer = loadTokenizer(file);
  expect(tokenizer.kind).toBe('hugging-face');
  expect(Array.from(tokenizer.encode('Training data'))).toEqual([2, 3, 4]);
  expect(tokenizer.decode([2, 3, 4])).toBe('training data');
  expect(tokenizer.vocab).toBe(5);
  expect(separatorId(tokenizer)).toBe(1);
  expect(Array.from(tokenizer.encodeOrdinary('data [SEP]'))).not.toContain(1);
});

test('merges written as one string, as older files have them, mean the same', () => {
  const older = { ...json, model: { ...json.model, merges: (json.model.merges ?? []).map((m) => [...m].join(' ')) } };
  const text = smallTexts.join('');
  expect(makeTokenizer(older).encode(text)).toEqual(ours.encode(text));
});

test('what is no tokenizer.json is refused', () => {
  const lacking = { ...json, model: { ...json.model, vocab: { '<|endoftext|>': 0 } } };
  const root = folderWith({ 'a.json': '{', 'b.json': '{"model":{}}', 'c.json': JSON.stringify(lacking) });
  for (const name of ['a.json', 'b.json', 'c.json', 'd.json']) {
    expect(() => loadTokenizer(join(root, name))).toThrow(/data\/tokenizer-invalid/);
  }
});
