import { readFileSync, readdirSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { evaluateNgram, countNgrams } from './ngram.js';
import { openDataset, prepareData, text, type DataEvent } from './index.js';
import { trainBpe } from './bpe_trainer.js';
import { folderWith } from './testing/folder.js';
import { TokenFile } from './token_file.js';
import { atOnce } from './in_parts.js';

/** Forty pages about different things. */
const pages = Object.fromEntries(
  Array.from({ length: 40 }, (_, i) => [
    `corpus/page-${i}.md`,
    Array.from(
      { length: 60 },
      (_, j) => `item ${i * 60 + j} of page ${i} is number ${(i * 7919 + j * 104729) % 1000}\n`,
    ).join(''),
  ]),
);
const source = text('corpus/**/*.md', { tokenizer: { train: 'bpe', vocab: 400 }, validation_fraction: 0.1 });
const batch = { context: 16, globalBatch: 4 };
const kinds = (events: readonly DataEvent[]) =>
  events
    .filter(({ kind }) => kind !== 'step_progress')
    .map((event) => ('step' in event ? `${event.kind} ${event.step}` : event.kind));

async function prepare(root: string, from = source, events: DataEvent[] = []) {
  const dataset = await prepareData(from, { root, ...batch }, (event) => events.push(event));
  dataset.close();
  return { dataset, events };
}

test('prepares in five steps, says so, and finds everything there the second time', async () => {
  const root = folderWith(pages);
  const first = await prepare(root);
  expect(kinds(first.events)).toEqual(
    ['find', 'read', 'deduplicate', 'tokenizer', 'pack'].flatMap((step) => [
      `step_started ${step}`,
      `step_finished ${step}`,
    ]),
  );
  const second = await prepare(root);
  expect(kinds(second.events)).toEqual(['step_started find', 'step_finished find', 'cached']);
  expect(second.dataset.manifest).toEqual(first.dataset.manifest);
});

test('the packed tokens are the documents, each with its separator, and validation is not among them', async () => {
  const root = folderWith(pages);
  const { dataset } = await prepare(root);
  const { manifest, tokenizer, separator, folder } = dataset;
  const read = (split: string) => {
    const file = TokenFile.open(join(folder, split));
    const documents: string[] = [];
    let at = 0;
    for (const length of file.documentTokens) {
      const ids = file.read(at, length);
      expect(ids[length - 1]).toBe(separator);
      documents.push(tokenizer.decode(ids.subarray(0, length - 1)));
      at += length;
    }
    file.close();
    return documents;
  };
  const [train, validation] = [read('train'), read('validation')];
  expect([...train, ...validation].sort()).toEqual(Object.values(pages).sort());
  expect(manifest.validation.documents).toBe(validation.length);
  expect(validation.length).toBeGreaterThanOrEqual(2);
});

test('the same text elsewhere gives the same data set; other text, options or times do not confuse it', async () => {
  const [here, there] = [folderWith(pages), folderWith(pages)];
  const first = await prepare(here);
  const other = await prepare(there);
  expect(other.dataset.manifest).toEqual(first.dataset.manifest);
  for (const name of ['train.bin', 'validation.bin', 'tokenizer.json']) {
    expect(readFileSync(join(other.dataset.folder, name))).toEqual(readFileSync(join(first.dataset.folder, name)));
  }
  const touched = join(here, 'corpus/page-0.md');
  utimesSync(touched, 1, 1);
  const again = await prepare(here);
  expect(again.dataset.manifest.key).toBe(first.dataset.manifest.key);
  expect(kinds(again.events)).not.toContain('step_started pack'); // read, found equal
  writeFileSync(touched, 'something new\n');
  expect((await prepare(here)).dataset.manifest.key).not.toBe(first.dataset.manifest.key);
  const smaller = text('corpus', { tokenizer: { train: 'bpe', vocab: 300 } });
  expect((await prepare(here, smaller)).dataset.vocab).toBe(300);
});

test('damaged data is noticed and made again', async () => {
  const root = folderWith(pages);
  const { dataset } = await prepare(root);
  truncateSync(join(dataset.folder, 'train.bin'), 10);
  const repaired = await prepare(root);
  expect(kinds(repaired.events)).toContain('notice');
  expect(repaired.dataset.manifest).toEqual(dataset.manifest);
});

test('processes that prepare the same data at once all get it', async () => {
  const root = folderWith(pages);
  const datasets = await Promise.all([prepare(root), prepare(root), prepare(root)]);
  expect(new Set(datasets.map(({ dataset }) => dataset.folder)).size).toBe(1);
  expect(readdirSync(join(root, '.cache/flotilla/data')).filter((name) => name.startsWith('.'))).toEqual([]);
});

test('a given tokenizer.json is used as it is', async () => {
  const tokenizer = JSON.stringify(
    atOnce(trainBpe(['of page item number'], { vocab: 270, separator: '<eos>', min_frequency: 1 })),
  );
  const root = folderWith({ ...pages, 'own.json': tokenizer });
  const { dataset } = await prepare(root, text('corpus', { tokenizer: { file: 'own.json' } }));
  expect(readFileSync(dataset.tokenizerFile, 'utf8')).toBe(tokenizer);
  expect(dataset.separator).toBe(dataset.tokenizer.idOf('<eos>'));
});

test('baselines are those of the very labels that validation batches have', async () => {
  const root = folderWith(pages);
  const dataset = await prepareData(source, { root, ...batch, validationSequences: 20 });
  const { unigram, bigram } = dataset.baselines();
  const models = countNgrams(dataset.train.file.pieces(100), dataset.vocab);
  const evaluation = dataset.validation.batch();
  expect(evaluation.labels.length).toBe(20 * 16);
  expect(unigram.natsPerToken).toBe(evaluateNgram(models.unigram, evaluation));
  expect(bigram.natsPerToken).toBe(evaluateNgram(models.bigram, evaluation));
  expect(bigram.natsPerToken).toBeLessThan(unigram.natsPerToken);
  const textOfLabels = dataset.tokenizer.decode([...evaluation.labels].filter((id) => id !== dataset.separator));
  expect(dataset.bytesPerToken).toBeCloseTo(Buffer.byteLength(textOfLabels) / evaluation.labels.length, 12);
  expect(bigram.bitsPerByte).toBeCloseTo(bigram.natsPerToken / Math.LN2 / dataset.bytesPerToken, 12);
  expect(dataset.baselines()).toEqual({ unigram, bigram });
  dataset.close();
});

test('what cannot be prepared is refused with its reason, and leaves nothing behind', async () => {
  const root = folderWith({
    'blank/a.txt': ' \n',
    'short/a.txt': 'a few words only',
    'cache/data': 'a file in the way',
    ...pages,
  });
  await expect(prepare(root, text('nowhere'))).rejects.toThrow('data/not-found');
  await expect(prepare(root, text('blank'))).rejects.toThrow('data/empty');
  await expect(prepare(root, text('short'))).rejects.toThrow('data/shorter-than-one-batch');
  await expect(prepare(root, text('corpus', { tokenizer: { file: 'none.json' } }))).rejects.toThrow(
    'data/tokenizer-invalid',
  );
  await expect(prepareData(source, { root, ...batch, cacheDir: 'cache' })).rejects.toThrow('data/cache-not-writable');
  await expect(prepareData(source, { root, context: 0, globalBatch: 1 })).rejects.toThrow('data/option-out-of-range');
  expect(() => text('corpus', { tokenizer: { train: 'bpe', vocab: 100 } })).toThrow(
    "'tokenizer.vocab' must be an integer ≥ 257",
  );
  expect(() => text('corpus', { validation_fraction: 0 })).toThrow('config/wrong-option');
});

test('prepared ids that the vocabulary lacks are found at the next start, and the data is made again', async () => {
  const root = folderWith(pages);
  const { dataset } = await prepare(root);
  const file = join(dataset.folder, 'train.bin');
  const bytes = readFileSync(file);
  bytes.writeUInt16LE(dataset.vocab, 2 * 1000);
  writeFileSync(file, bytes);
  // A rank that meets it says so.
  const damaged = openDataset(dataset.folder, batch);
  expect(() => damaged.requireIds()).toThrow(/token 1000 is 400[\s\S]*train\.bin/);
  damaged.close();
  const repaired = await prepare(root);
  const notice = repaired.events.find(({ kind }) => kind === 'notice');
  expect(notice).toMatchObject({ text: expect.stringMatching(/damaged and made again: token 1000 is 400/) });
  expect(repaired.dataset.manifest).toEqual(dataset.manifest);
});

const words = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => `w${(((i + from) * 7919) % 97).toString(36)}`).join(' ');

test.each([
  ['one file of 4 kB', { 'corpus/a.txt': words(1100) }],
  ['one file of 4 kB in one record', { 'corpus/a.jsonl': `${JSON.stringify({ text: words(1100) })}\n` }],
  ['a file of one letter', { 'corpus/a.txt': 'x' }],
  ['a file of one letter many times', { 'corpus/a.txt': 'a'.repeat(4096) }],
  ['equal files', Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`corpus/${i}.txt`, words(1100)]))],
  [
    'files that are parts of one',
    { 'corpus/a.txt': words(3000), 'corpus/b.txt': words(900, 400), 'corpus/c.txt': words(800) },
  ],
  ['signs alone', { 'corpus/a.txt': '!? '.repeat(1500), 'corpus/b.txt': '?! '.repeat(1500) }],
  [
    'nine small files',
    Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`corpus/${i}.txt`, words(40 + i, 50 * i)])),
  ],
])('a small corpus trains, or is told what would be enough, which then is: %s', async (name, files) => {
  const root = folderWith(files);
  const small = text('corpus');
  const prepare = (context: number, globalBatch: number) =>
    prepareData(small, { root, context, globalBatch }).then(
      (dataset) => (dataset.close(), null),
      (error: { code: string; diagnostic: { fix: string; why: string } }) => error,
    );
  const error = await prepare(256, 64);
  expect(error).toMatchObject({ code: 'data/shorter-than-one-batch' });
  const leavesOut = /equal|parts/.test(name);
  expect(error!.diagnostic.why).toContain(leavesOut ? 'documents were left out' : 'are enough');
  const context = Number(/context to (\d+)/.exec(error!.diagnostic.fix)?.[1] ?? 0);
  if (context > 0) expect(await prepare(context, 64)).toBeNull();
  // As good as no token is left of one letter.
  else expect(name).toContain('of one letter');
});
