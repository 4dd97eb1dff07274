import { expect, test } from 'vitest';
import { makeTokenizer, separatorId } from '../../src/data/tokenizer.js';
import type { TokenizerJson } from '../../src/data/tokenizer_json.js';
import { addedTokens, smallByteLevel, smallBpe, type Part } from './small_files.js';

const nfc: Part = { type: 'NFC' };
const file = (special: readonly string[], ordinary: readonly string[], more: Part = {}): Part => ({
  ...smallBpe(['a', ...special, ...ordinary, '</s>'], { special: [], normalizer: nfc }),
  added_tokens: [
    ...addedTokens(Object.fromEntries(special.map((token, i) => [token, i + 1]))),
    ...addedTokens(Object.fromEntries(ordinary.map((token, i) => [token, i + 1 + special.length])), { special: false }),
  ],
  ...more,
});
const template = (token: string): Part => ({
  type: 'TemplateProcessing',
  single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: token, type_id: 0 } }],
  pair: [],
  special_tokens: { [token]: { id: token, ids: [1], tokens: [token] } },
});

test.each<[string, Part, string]>([
  ['Gemma: </s> is a tag of HTML', file(['<bos>', '<eos>'], ['</s>', '<h1>']), '<eos>'],
  ['an ordinary token of a usual name comes before', file(['[SEP]'], ['<|endoftext|>', '</s>']), '[SEP]'],
  ['what the file puts after a text', file(['</s>', '<fin>'], [], { post_processor: template('<fin>') }), '<fin>'],
  [
    'what it puts there among other processors',
    file(['<s>', '<stop>'], [], {
      post_processor: { type: 'Sequence', processors: [{ type: 'ByteLevel' }, template('<stop>')] },
    }),
    '<stop>',
  ],
  [
    'what it puts around pairs',
    file(['<cls>', '<fin>'], [], { post_processor: { type: 'BertProcessing', sep: ['<fin>', 2], cls: ['<cls>', 1] } }),
    '<fin>',
  ],
  ['DeepSeek', file(['<｜begin▁of▁sentence｜>', '<｜end▁of▁sentence｜>'], ['</s>']), '<｜end▁of▁sentence｜>'],
  ['a name that says so', file(['<|startoftext|>', '<|my_eos|>', '<|END_OF_DOCUMENT|>'], []), '<|END_OF_DOCUMENT|>'],
  ['an older file, whose vocabulary alone has it', file([], []), '</s>'],
])('the separator is a token that the file says is special: %s', (_, json, token) => {
  const tokenizer = makeTokenizer(json as unknown as TokenizerJson);
  const separator = separatorId(tokenizer);
  expect(tokenizer.decode([separator])).toBe(token);
  expect([...tokenizer.encodeOrdinary(`a${token}a`)]).not.toContain(separator);
});

test('where only ordinary tokens have such names, none is taken, and the special ones are named', () => {
  const json = smallByteLevel([], {
    normalizer: nfc,
    special: ['<unk>'],
    added: addedTokens({ '</s>': 300 }, { special: false }),
  });
  const tokenizer = makeTokenizer(json as unknown as TokenizerJson);
  expect(() => separatorId(tokenizer)).toThrow(/data\/no-separator-token[^]*special tokens[^]*<unk>/);
  expect(separatorId(tokenizer, '</s>')).toBe(tokenizer.idOf('</s>'));
});
