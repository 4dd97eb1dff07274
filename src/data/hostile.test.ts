import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DiagnosticError } from '../ir/diagnostic.js';
import { text } from './source.js';
import { openDataset, type Dataset } from './dataset.js';
import { findFiles } from './find_files.js';
import { openUnlessDamaged, prepareData } from './prepare.js';
import { loadTokenizer, makeTokenizer } from './tokenizer.js';
import { trainBpe } from './bpe_trainer.js';
import { atOnce } from './in_parts.js';

// Files that somebody has made to do harm: an error with a code, in time, and nothing outside is touched.

const folder = mkdtempSync(join(tmpdir(), 'flotilla-hostile-'));
const options = { context: 8, globalBatch: 2, root: folder, cacheDir: join(folder, 'cache') };
let prepared: Dataset;

beforeAll(async () => {
  mkdirSync(join(folder, 'corpus'));
  for (let i = 0; i < 8; i++)
    writeFileSync(join(folder, 'corpus', `${i}.txt`), `river ${i} stone mill wheel night snow bread `.repeat(40 + i));
  prepared = await prepareData(text('corpus', { tokenizer: { train: 'bpe', vocab: 270 } }), options);
});
afterAll(() => {
  prepared.close();
  rmSync(folder, { recursive: true });
});

/** The code of what is thrown; 'none' where nothing is. Anything without a code fails the test, as does what takes long. */
function codeOf(call: () => unknown): string {
  const began = performance.now();
  try {
    call();
    return 'none';
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    return error.code;
  } finally {
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(Object.keys(Object.prototype)).toEqual([]);
  }
}

const deep = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
const words = Object.fromEntries(['a', 'b', 'ab', ' ', '!', '</s>', '<unk>'].map((token, id) => [token, id]));
/** What the library asks every file for. */
const parts = { added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
const split = (pattern: object) => ({
  ...parts,
  model: { type: 'BPE', vocab: words, merges: [['a', 'b']] },
  pre_tokenizer: { type: 'Split', pattern, behavior: 'Isolated', invert: false },
});

/** Content of a tokenizer.json. */
const tokenizers: Readonly<Record<string, unknown>> = {
  'no object': 5,
  'a list': [],
  null: null,
  'no model': {},
  'a model that is text': { model: 'BPE' },
  'no vocabulary': { model: { type: 'BPE', merges: [] } },
  'an empty vocabulary': { model: { type: 'BPE', vocab: {}, merges: [] } },
  'an id of 1e15': { model: { type: 'BPE', vocab: { a: 1e15 }, merges: [] } },
  'an id of 4e9': { model: { type: 'WordPiece', vocab: { a: 4e9 }, unk_token: 'a' } },
  'a negative id': { model: { type: 'BPE', vocab: { a: -1 }, merges: [] } },
  'half an id': { model: { type: 'BPE', vocab: { a: 0.5 }, merges: [] } },
  'an id of text': { model: { type: 'BPE', vocab: { a: '0' }, merges: [] } },
  'an id that is a list': { model: { type: 'BPE', vocab: { a: [0] }, merges: [] } },
  'merges of numbers': { model: { type: 'BPE', vocab: words, merges: [1, 2] } },
  'merges of three': { model: { type: 'BPE', vocab: words, merges: [['a', 'b', 'c']] } },
  'merges that are text': { model: { type: 'BPE', vocab: words, merges: 'a b' } },
  'an added token without a text': { model: { type: 'BPE', vocab: words, merges: [] }, added_tokens: [{ id: 9 }] },
  'an added token of nothing': {
    model: { type: 'BPE', vocab: words, merges: [] },
    added_tokens: [{ id: 9, content: '' }],
  },
  'an added id of 1e12': {
    model: { type: 'BPE', vocab: words, merges: [] },
    added_tokens: [{ id: 1e12, content: 'x' }],
  },
  'added tokens that are an object': {
    model: { type: 'BPE', vocab: words, merges: [] },
    added_tokens: { length: 1e9 },
  },
  'a Unigram of wrong entries': { model: { type: 'Unigram', vocab: [['a', 'high']], unk_id: 0 } },
  'a Unigram whose unknown is no token': { model: { type: 'Unigram', vocab: [['a', 0]], unk_id: 7 } },
  'a type of another age': { model: { type: 'constructor', vocab: words } },
  'a prototype for a type': { model: { type: '__proto__', vocab: words } },
  'a normalizer that is text': { model: { type: 'BPE', vocab: words, merges: [] }, normalizer: 'NFC' },
  'a decoder without a type': { model: { type: 'BPE', vocab: words, merges: [] }, decoder: {} },
  'a pattern that is none': split({ Regex: '(((' }),
  'a pattern that is a number': split({ Regex: 5 }),
  'a pattern that explodes': split({ Regex: '(a+)+$' }),
  'a pattern that explodes on another letter': split({ Regex: '^(([x-y])+)+[A-Z]' }),
  'a pattern that explodes on pairs': split({ Regex: '^(xy|x|y)+z' }),
  'a pattern that explodes on spaces': split({ Regex: '(\\s|\\p{White_Space})+$' }),
  'a normalizer that explodes': {
    ...split({ String: ' ' }),
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Replace', pattern: { Regex: '(b|b)+c' }, content: '' }] },
  },
};

test.each(Object.entries(tokenizers))('a tokenizer.json that is hostile is refused: %s', (name, content) => {
  const file = join(folder, `tokenizer ${name.replaceAll('/', '')}.json`);
  writeFileSync(file, JSON.stringify(content));
  const code = codeOf(() => loadTokenizer(file));
  expect(code).toBe(name.includes('explodes') ? 'data/tokenizer-too-slow' : 'data/tokenizer-invalid');
});

test.each([
  ['no JSON', '{'],
  ['nested deeply', `{"model":{"vocab":{"a":0}},"normalizer":${deep(100_000)}}`],
  ['empty', ''],
  ['binary', '\0\u0001'],
])('what is no tokenizer.json at all is refused: %s', (_, content) => {
  const file = join(folder, 'broken.json');
  writeFileSync(file, content);
  expect(codeOf(() => loadTokenizer(file))).toBe('data/tokenizer-invalid');
});

test('a link to a device, a pipe and a folder are refused, and not waited for', () => {
  const [device, pipe] = [join(folder, 'device.json'), join(folder, 'pipe.json')];
  symlinkSync('/dev/zero', device);
  execFileSync('mkfifo', [pipe]);
  for (const file of [device, pipe, folder, join(folder, 'gone.json')])
    expect(codeOf(() => loadTokenizer(file))).toBe('data/tokenizer-invalid');
});

test('tokens named like parts of every object are tokens', () => {
  const tokens = ['__proto__', 'constructor', 'toString', 'a', '</s>'];
  const json = `{"model":{"type":"WordLevel","unk_token":"a","vocab":{${tokens.map((token, id) => `${JSON.stringify(token)}:${id}`)}}},"pre_tokenizer":{"type":"WhitespaceSplit"},"added_tokens":[],"normalizer":null,"post_processor":null,"decoder":null}`;
  writeFileSync(join(folder, 'names.json'), json);
  const tokenizer = loadTokenizer(join(folder, 'names.json'));
  expect(tokenizer.vocab).toBe(5);
  expect([...tokenizer.encode('constructor __proto__ toString a')]).toEqual([1, 0, 2, 3]);
});

/** Values that a reader does not expect. */
const surprises = fc.constantFrom<unknown>(
  null,
  true,
  -1,
  0.5,
  1e300,
  '',
  'x',
  [],
  {},
  [[]],
  [null],
  { type: 'x' },
  'ByteLevel',
  {
    Regex: '(',
  },
);

/** A value with one of its members, at any depth, replaced by a surprise or left out. */
function surprised(value: unknown): fc.Arbitrary<unknown> {
  return fc.tuple(fc.infiniteStream(fc.nat()), fc.option(surprises, { nil: undefined })).map(([numbers, surprise]) => {
    const copy = structuredClone(value);
    let at = copy as Record<string, unknown>;
    for (;;) {
      const names = Object.keys(at);
      const name = names[numbers.next().value % names.length];
      const member = at[name];
      const further = typeof member === 'object' && member !== null && Object.keys(member).length > 0;
      if (further && numbers.next().value % 4 > 0) at = member as Record<string, unknown>;
      else {
        if (surprise === undefined) delete at[name];
        else at[name] = surprise;
        return copy;
      }
    }
  });
}

test('one surprise anywhere in a tokenizer.json: it works, or there is an error with a code', () => {
  const wholes = [
    atOnce(trainBpe(['the ship sails over a calm sea'], { vocab: 262 })),
    split({ Regex: '\\s+' }),
    {
      ...split({ String: ' ' }),
      normalizer: {
        type: 'Sequence',
        normalizers: [{ type: 'NFC' }, { type: 'Replace', pattern: { String: 'a' }, content: 'b' }],
      },
      post_processor: {
        type: 'TemplateProcessing',
        single: [{ Sequence: { id: 'A', type_id: 0 } }],
        pair: [],
        special_tokens: {},
      },
      decoder: { type: 'Sequence', decoders: [{ type: 'Fuse' }] },
      added_tokens: [
        { id: 7, content: '<x>', single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
      ],
    },
    {
      ...parts,
      model: {
        type: 'Unigram',
        unk_id: 0,
        vocab: [
          ['<unk>', 0],
          ['a', -1],
          ['b', -2],
        ],
      },
    },
    {
      ...parts,
      model: {
        type: 'WordPiece',
        unk_token: '<unk>',
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 9,
        vocab: words,
      },
    },
  ];
  const file = join(folder, 'surprise.json');
  fc.assert(
    fc.property(fc.constantFrom(...wholes).chain(surprised), (json) => {
      writeFileSync(file, JSON.stringify(json));
      codeOf(() => {
        const tokenizer = loadTokenizer(file);
        const ids = tokenizer.encodeOrdinary('a ship <x> ab');
        tokenizer.decode(ids);
        tokenizer.textBytes(ids);
        tokenizer.idOf('a');
      });
    }),
    { numRuns: Number(process.env.RUNS ?? 150) },
  );
});

/** A copy of the prepared data, changed. */
function changed(change: (at: string) => void): string {
  const copy = mkdtempSync(join(folder, 'data-'));
  cpSync(prepared.folder, copy, { recursive: true });
  change(copy);
  return copy;
}

const manifestOf = (at: string) =>
  JSON.parse(readFileSync(join(at, 'manifest.json'), 'utf8')) as Record<string, unknown>;
const withManifest = (fields: object) => (at: string) =>
  writeFileSync(join(at, 'manifest.json'), JSON.stringify({ ...manifestOf(at), ...fields }));
const withIndex = (change: (index: Buffer) => Buffer | void) => (at: string) => {
  const index = readFileSync(join(at, 'train.idx'));
  writeFileSync(join(at, 'train.idx'), change(index) ?? index);
};
const headerBytes = 34;

test.each<[string, (at: string) => void]>([
  ['a manifest that is no object', (at) => writeFileSync(join(at, 'manifest.json'), '[]')],
  ['null', (at) => writeFileSync(join(at, 'manifest.json'), 'null')],
  ['a manifest nested deeply', (at) => writeFileSync(join(at, 'manifest.json'), deep(100_000))],
  ['a vocabulary of 1e300', withManifest({ vocab: 1e300 })],
  ['a vocabulary of text', withManifest({ vocab: '270' })],
  ['a separator beyond it', withManifest({ separator: 1e9 })],
  ['a key that is a path', withManifest({ key: '../../..' })],
  ['no splits', withManifest({ train: null })],
  ['more documents than there are', withIndex((index) => void index.writeBigUInt64LE(2n ** 62n, 17))],
  ['no documents at all', withIndex((index) => void index.writeBigUInt64LE(0n, 25))],
  ['a header alone', withIndex((index) => index.subarray(0, headerBytes))],
  ['an index of nothing', withIndex(() => Buffer.alloc(0))],
  ['a sequence of −5 tokens', withIndex((index) => void index.writeInt32LE(-5, headerBytes))],
  ['a sequence of 2³¹ tokens', withIndex((index) => void index.writeInt32LE(2 ** 31 - 1, headerBytes))],
  ['a document of 2⁶⁰ sequences', withIndex((index) => void index.writeBigInt64LE(2n ** 60n, index.length - 8))],
  [
    'a document that ends before it begins',
    withIndex((index) => void index.writeBigInt64LE(-(2n ** 40n), index.length - 8)),
  ],
  ['tokens that are fewer', (at) => writeFileSync(join(at, 'train.bin'), 'xx')],
  ['tokens that are a folder', (at) => (rmSync(join(at, 'train.bin')), mkdirSync(join(at, 'train.bin')))],
  ['tokens that are a pipe', (at) => (rmSync(join(at, 'train.bin')), execFileSync('mkfifo', [join(at, 'train.bin')]))],
  ['an index without end', (at) => (rmSync(join(at, 'train.idx')), symlinkSync('/dev/zero', join(at, 'train.idx')))],
  [
    'a manifest without end',
    (at) => (rmSync(join(at, 'manifest.json')), symlinkSync('/dev/zero', join(at, 'manifest.json'))),
  ],
])('prepared data that is hostile is refused: %s', (_, change) => {
  const at = changed(change);
  expect(codeOf(() => openDataset(at, options).close())).toBe('data/token-file-corrupt');
});

test('a cache that names another folder as its own removes nothing there', async () => {
  const victim = join(folder, 'victim');
  mkdirSync(victim);
  writeFileSync(join(victim, 'manifest.json'), '{}');
  const cacheDir = join(folder, 'theirs');
  cpSync(options.cacheDir, cacheDir, { recursive: true });
  const seen = join(cacheDir, 'data', 'seen');
  const [sign] = execFileSync('ls', [seen], { encoding: 'utf8' }).trim().split('\n');
  // The folder of a key is CACHE/data/KEY: from there, this one is the victim.
  writeFileSync(join(seen, sign), '../../victim');
  const dataset = await prepareData(text('corpus', { tokenizer: { train: 'bpe', vocab: 270 } }), {
    ...options,
    cacheDir,
  });
  dataset.close();
  expect(existsSync(join(victim, 'manifest.json'))).toBe(true);
});

test('kept baselines that are no numbers are counted again', () => {
  const right = prepared.baselines();
  const { validation } = prepared;
  for (const wrong of ['{', '[]', '{"unigram":{"natsPerToken":"x"}}']) {
    writeFileSync(join(prepared.folder, `baselines-${validation.context}-${validation.sequences}.json`), wrong);
    expect(prepared.baselines()).toEqual(right);
  }
});

test('a rank reads its batches and their bytes without the tokenizer, and whoever prepares looks at it', async () => {
  const { bytesPerToken, train } = prepared;
  const at = changed((folder) => writeFileSync(join(folder, 'tokenizer.json'), '{'));
  const dataset = openDataset(at, options);
  expect(dataset.train.samples(0, 2)).toEqual(train.samples(0, 2));
  expect(dataset.bytesPerToken).toBe(bytesPerToken);
  expect(codeOf(() => dataset.tokenizer)).toBe('data/tokenizer-invalid');
  dataset.close();
  const damages: string[] = [];
  const told = { listener: () => {}, onDamage: (what: string) => damages.push(what) };
  expect(await openUnlessDamaged(at, options, told)).toBeNull();
  expect(damages).toHaveLength(1);
});

test('kept bytes a token that are no number are measured again', () => {
  const { bytesPerToken, validation } = prepared;
  for (const wrong of ['{', '[]', '{"bytesPerToken":"x"}', '{"bytesPerToken":-1}']) {
    const name = `text-${validation.context}-${validation.sequences}.json`;
    const at = changed((folder) => writeFileSync(join(folder, name), wrong));
    const dataset = openDataset(at, options);
    expect(dataset.bytesPerToken).toBe(bytesPerToken);
    dataset.close();
  }
});

test.each([
  ['a class without an order', '[z-a]*.txt'],
  ['wildcards without end', `${'*a'.repeat(40)}*b`],
  ['choices without end', `{${'*,'.repeat(20)}*}${'{*,**}'.repeat(12)}b`],
  ['nested choices', '{a,{b,c}*.txt'],
])('a glob that is hostile: %s', (_, pattern) => {
  writeFileSync(join(folder, 'corpus', `${'a'.repeat(200)}.txt`), 'x');
  expect(codeOf(() => findFiles([`corpus/${pattern}`], folder))).toMatch(/^(data\/(glob-bad|not-found)|none)$/);
});

test('a text on which an expression takes too long ends', () => {
  const tokenizer = makeTokenizer(split({ Regex: '\\s+$' }) as never, 'slow.json');
  expect(tokenizer.encode('a b '.repeat(500)).length).toBeGreaterThan(0);
});
