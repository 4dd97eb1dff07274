import { expect, test } from 'vitest';
import { makeTokenizer } from '../../src/data/tokenizer.js';
import type { TokenizerJson } from '../../src/data/tokenizer_json.js';
import { addedTokens, byteLevel, smallBpe, smallByteLevel, type Part } from './small_files.js';

// Ids and texts are those of Python's `tokenizers` 0.22.2, written down by hand.

const tokenizerOf = (json: Part) => makeTokenizer(json as unknown as TokenizerJson);
const split = (behavior: string, pattern: Part = { String: ' ' }, invert = false): Part => ({
  ...{ type: 'Split', pattern, behavior, invert },
});
const sequence = (...pretokenizers: readonly Part[]): Part => ({ type: 'Sequence', pretokenizers });
const words: Part = { type: 'WhitespaceSplit' };
const nfc: Part = { type: 'NFC' };
const metaspace: Part = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: true };

const spaced = (pre: Part) =>
  smallBpe(['a', 'b', ' ', 'a ', ' b'], { merges: [['a', ' ']].concat([[' ', 'b']]) as [string, string][], pre });
const joined = (pre: Part, other = '-', options = {}) =>
  smallBpe(['a', 'b', 'ab', other], { merges: [['a', 'b']], pre, ...options });
const ordinary = (tokens: Readonly<Record<string, number>>, fields: Part) =>
  smallByteLevel([], { normalizer: nfc, added: addedTokens(tokens, { special: false, ...fields }) });

/** File, text, its ids, and these as text. */
const parts: Readonly<Record<string, readonly (readonly [Part, string, readonly number[], string])[]>> = {
  'Whitespace: a letter is any letter': [
    [
      smallBpe(['c', 'a', 'f', 'é', 'ca', 'caf', 'café'], {
        merges: [
          ['c', 'a'],
          ['ca', 'f'],
          ['caf', 'é'],
        ],
        pre: { type: 'Whitespace' },
      }),
      'café',
      [8],
      'café',
    ],
  ],
  'Digits: any number is one': [
    [
      smallByteLevel([' °', '½', '²'], { pre: sequence({ type: 'Digits', individual_digits: true }, byteLevel) }),
      '4 ½',
      [53, 33, 259],
      '4 ½',
    ],
  ],
  'ByteLevel: white space is what Unicode says': [
    [smallByteLevel(['!\ufeff', '!\u0085'], { normalizer: nfc }), '!\ufeff', [259], '!\ufeff'],
    [smallByteLevel(['!\ufeff', '!\u0085'], { normalizer: nfc }), '!\u0085', [34, 195, 134], '!\u0085'],
  ],
  'Split: what becomes of the delimiter': [
    [spaced(split('MergedWithPrevious')), 'a b', [5, 3], 'a  b'],
    [spaced(split('MergedWithNext')), 'a b', [2, 6], 'a  b'],
    [smallBpe(['a', 'b', ' ', '  '], { merges: [[' ', ' ']], pre: split('Contiguous') }), 'a  b', [2, 5, 3], 'a    b'],
    [smallBpe(['a', 'b', ' '], { pre: split('Isolated', { Regex: '[ab]+' }, true) }), 'a b', [2, 4, 3], 'a   b'],
  ],
  'Punctuation, BertPreTokenizer, UnicodeScripts, CharDelimiterSplit, FixedLength': [
    [
      smallBpe(['a', '!', '!!', '?'], { merges: [['!', '!']], pre: { type: 'Punctuation', behavior: 'Contiguous' } }),
      'a!!a',
      [2, 4, 2],
      'a !! a',
    ],
    [joined({ type: 'BertPreTokenizer' }), 'ab-ab', [4, 5, 4], 'ab - ab'],
    [smallBpe(['a', 'б', 'aб'], { merges: [['a', 'б']], pre: { type: 'UnicodeScripts' } }), 'aб', [2, 3], 'a б'],
    [joined({ type: 'CharDelimiterSplit', delimiter: '_' }), 'ab_a', [4, 2], 'ab a'],
    [joined({ type: 'FixedLength', length: 3 }), 'abab', [4, 2, 3], 'ab a b'],
  ],
  'Metaspace: a space before the first word only': [
    [smallBpe(['▁', 'a', '▁a'], { merges: [['▁', 'a']], pre: metaspace, decoder: metaspace }), 'a a', [4, 4], 'a a'],
    [smallBpe(['▁', 'a', '▁a'], { merges: [['▁', 'a']], pre: metaspace, decoder: metaspace }), ' a', [4], 'a'],
    [smallBpe(['▁', 'a', '▁a'], { merges: [['▁', 'a']], pre: metaspace, decoder: metaspace }), '', [], ''],
  ],
  'StripAccents and Lowercase after NFD': [
    [
      smallBpe(['e', 'a', 'ea'], {
        merges: [['e', 'a']],
        normalizer: {
          type: 'Sequence',
          normalizers: [{ type: 'NFD' }, { type: 'StripAccents' }, { type: 'Lowercase' }],
        },
      }),
      'ÉA',
      [4],
      'ea',
    ],
  ],
  'unknown characters side by side are one within a word': [
    [smallBpe(['a'], { pre: words, model: { fuse_unk: true } }), 'xy zz', [0, 0], '[UNK] [UNK]'],
    [smallBpe(['a'], { pre: words, model: { fuse_unk: true } }), 'a x', [2, 0], 'a [UNK]'],
  ],
  'affixes of pieces, and words that merges do not reach': [
    [
      smallBpe(['a', '##b', 'ab'], { merges: [['a', '##b']], pre: words, model: { continuing_subword_prefix: '##' } }),
      'ab',
      [4],
      'ab',
    ],
    [
      smallBpe(['a', 'b</w>', 'ab</w>', 'b'], {
        merges: [['a', 'b</w>']],
        pre: words,
        decoder: { type: 'BPEDecoder', suffix: '</w>' },
        model: { end_of_word_suffix: '</w>' },
      }),
      'ab ab',
      [4, 4],
      'ab ab',
    ],
    [joined(words, 'aba', { model: { ignore_merges: true } }), 'aba ab', [5, 4], 'aba ab'],
  ],
  'added tokens: whole words, space beside them, after the normalizer': [
    [
      smallByteLevel(['party'], { added: addedTokens({ art: 300 }, { special: false, single_word: true }) }),
      'art party',
      [261, 33, 260],
      'art party',
    ],
    [ordinary({ '<m>': 257 }, { lstrip: true }), 'a  <m>b', [98, 257, 99], 'a<m>b'],
    [ordinary({ '<m>': 257 }, { rstrip: true }), 'a  <m> \n b', [98, 33, 33, 257, 99], 'a  <m>b'],
    [
      smallByteLevel([], {
        normalizer: { type: 'Lowercase' },
        added: addedTokens({ Day: 257 }, { special: false, normalized: true }),
      }),
      'a DAY',
      [98, 33, 257],
      'a Day',
    ],
  ],
};

test.each(Object.entries(parts))('%s', (_, cases) => {
  for (const [json, text, ids, decoded] of cases) {
    const tokenizer = tokenizerOf(json);
    expect([...tokenizer.encodeOrdinary(text)], text).toEqual(ids);
    expect(tokenizer.decode(ids), text).toBe(decoded);
  }
});

/** With `encode_special_tokens`. */
const specialTexts: readonly (readonly [string, Part, string, readonly number[]])[] = [
  [
    'a byte-level model with a normalizer',
    smallByteLevel([], { normalizer: nfc }),
    'a<|endoftext|>b',
    [98, 61, 125, 102, 111, 101, 112, 103, 117, 102, 121, 117, 125, 63, 99],
  ],
  [
    'a token of one sign',
    smallByteLevel([], { normalizer: nfc, added: addedTokens({ '#': 257 }) }),
    'a#b',
    [98, 36, 99],
  ],
  [
    'one that begins with an emoji',
    smallByteLevel([], { normalizer: nfc, added: addedTokens({ '\u{1F999}end': 257 }) }),
    'a\u{1F999}end',
    [98, 241, 160, 167, 154, 102, 111, 101],
  ],
  [
    'beside one that is not special, which stays itself',
    ordinary({ '<|tool|>': 257 }, {}),
    '<|endoftext|><|tool|>',
    [61, 125, 102, 111, 101, 112, 103, 117, 102, 121, 117, 125, 63, 257],
  ],
  [
    'one that would take the space beside it',
    smallByteLevel([], { normalizer: nfc, added: addedTokens({ '<mask>': 257 }, { lstrip: true }) }),
    'a  <mask>',
    [98, 33, 33, 61, 110, 98, 116, 108, 63],
  ],
];

test.each(specialTexts)('text of special tokens is text: %s', (_, json, text, ids) => {
  const tokenizer = tokenizerOf(json);
  expect([...tokenizer.encodeOrdinary(text)]).toEqual(ids);
  expect(tokenizer.decode(ids)).toBe(text);
  expect(tokenizer.textBytes(ids)).toBe(text === 'a#b' ? 2 : Buffer.byteLength(text));
  expect(tokenizer.encode(text).length).toBeLessThanOrEqual(ids.length);
});

test('a byte-level vocabulary without all bytes is read, and what it lacks is left out, as in the reference', () => {
  const tokens = ['e', 'h', 'i', 'r', 't', 'v', 'Ġ', 'he', 'the', 'er', 'iv', 'riv', 'Ġthe', 'Ġriv', 'Ġriver'];
  const merges = [['h', 'e'], ['t', 'he'], ['e', 'r'], ['i', 'v'], ['r', 'iv'], ['Ġ', 'the'], ['Ġ', 'riv'], ['Ġriv', 'er']] as const; // prettier-ignore
  const partial = { special: ['<|endoftext|>'], merges, pre: byteLevel, decoder: byteLevel };
  const tokenizer = tokenizerOf(smallBpe(tokens, partial));
  expect([...tokenizer.encode('the river')]).toEqual([9, 15]);
  expect(tokenizer.decode([9, 15])).toBe('the river');
  expect(tokenizer.decode(tokenizer.encode('the quiet river'))).toBe('the iet river');
  expect([...tokenizer.encode('zzz')]).toEqual([]);
  const unknown = tokenizerOf(smallBpe(tokens, { ...partial, special: ['[UNK]'] }));
  expect([...unknown.encode('thé')]).toEqual([5, 2, 0, 0]);
  const whole = tokenizerOf(smallBpe(tokens, { ...partial, pre: { ...byteLevel, use_regex: false } }));
  expect(whole.decode(whole.encode('the river'))).toBe('the river');
});

test('a lone surrogate, which is no character, is read as U+FFFD', () => {
  for (const json of [smallByteLevel([]), smallByteLevel([], { normalizer: nfc })]) {
    const tokenizer = tokenizerOf(json);
    expect(tokenizer.encode('a\ud800b')).toEqual(tokenizer.encode('a\ufffdb'));
  }
});
