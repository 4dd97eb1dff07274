/** From a description of data to a data set in the cache: find, read, deduplicate, split, train the tokenizer, pack. */
import { copyFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DiagnosticError } from '../ir/diagnostic.js';
import { bytesText } from '../ir/units.js';
import { trainBpe } from './bpe_trainer.js';
import { DataCache } from './cache.js';
import { readCorpus, type Corpus, type Document } from './corpus.js';
import { openDataset, type BatchOptions, type DataManifest, type Dataset, type SplitManifest } from './dataset.js';
import { deduplicate } from './deduplicate.js';
import { dataEmpty, tokenFileCorrupt, tokenizerInvalid } from './diagnostics.js';
import type { DataListener, DataStep } from './events.js';
import type { SourceFile } from './find_files.js';
import { withRests, type InParts } from './in_parts.js';
import { keyOf, signatureOf, sourceFiles, tokenizerFileOf } from './identity.js';
import { defaultCache } from './options.js';
import type { TextSource } from './source.js';
import { sourceListText, sourcesName } from './source_list.js';
import { splitDocuments } from './split.js';
import { loadTokenizer, makeTokenizer, separatorId, type Tokenizer } from './tokenizer.js';
import { writeTokenFile } from './token_file.js';

export interface PrepareOptions extends BatchOptions {
  /** Paths are resolved against it; the default corpus is searched from it upwards. Default: the working directory. */
  readonly root?: string;
  /** Where prepared data is kept. Default `.cache/flotilla` below `root`. */
  readonly cacheDir?: string;
}

/**
 * Prepares a data set, or finds it prepared: a second start with unchanged files (names, sizes, times) reads no text. Deterministic:
 * the same files give the same data set, on any machine.
 * @throws any diagnostic of this folder; nothing is left half made.
 */
export async function prepareData(
  source: TextSource,
  options: PrepareOptions,
  listener: DataListener = () => {},
): Promise<Dataset> {
  const started = performance.now();
  const root = resolve(options.root ?? '.');
  const cache = new DataCache(resolve(root, options.cacheDir ?? defaultCache));
  const step = stepper(listener);

  const files = await step('find', () => {
    const files = sourceFiles(source, root);
    return { value: files, summary: `${files.length} files, ${bytesText(sum(files))}` };
  });
  const tokenizerFile = tokenizerFileOf(source, root);
  const signature = signatureOf(source, files, tokenizerFile);
  const known = cache.seen(signature);
  if (known !== null && cache.has(known)) {
    const dataset = openUnlessDamaged(cache.path(known), options);
    if (dataset) {
      listener({ kind: 'cached', folder: dataset.folder, seconds: (performance.now() - started) / 1000 });
      return dataset;
    }
    listener({ kind: 'notice', text: `the prepared data in ${cache.path(known)} is damaged and made again` });
    cache.remove(known);
  }

  const corpus = await step('read', function* () {
    const corpus = yield* readCorpus(files, source);
    const { documents, skipped, bytes } = corpus;
    return {
      value: corpus,
      summary: `${documents.length} documents, ${bytesText(bytes)}; ${skipped.length} files skipped`,
    };
  });
  if (corpus.documents.length === 0) {
    const where = source.paths?.join(', ') ?? 'node_modules';
    throw dataEmpty({ where, files: files.length, skipped: corpus.skipped.length });
  }
  const given = tokenizerFile === null ? null : loadTokenizer(tokenizerFile);
  const key = keyOf(source, corpus, given);
  if (!cache.has(key)) {
    await cache.make(key, (folder) =>
      build({ source, files, corpus, given, tokenizerFile, key, folder, step, listener }),
    );
  }
  cache.remember(signature, key);
  return openDataset(cache.path(key), options);
}

interface Build {
  readonly source: TextSource;
  readonly files: readonly SourceFile[];
  readonly corpus: Corpus;
  /** The tokenizer to use; null: train one. */
  readonly given: Tokenizer | null;
  readonly tokenizerFile: string | null;
  readonly key: string;
  readonly folder: string;
  readonly step: Stepper;
  readonly listener: DataListener;
}

async function build({
  source,
  files,
  corpus,
  given,
  tokenizerFile,
  key,
  folder,
  step,
  listener,
}: Build): Promise<void> {
  const { documents, equal, contained } = await step('deduplicate', function* () {
    const result = yield* deduplicate(corpus.documents);
    const { documents, equal, contained } = result;
    const summary = `${documents.length} documents, ${bytesText(sum(documents))} kept; ${equal.length} equal, ${contained.length} contained in others`;
    return { value: result, summary };
  });
  const split = splitDocuments(documents, source.validation_fraction);

  const tokenizer = await step('tokenizer', function* () {
    const file = join(folder, 'tokenizer.json');
    if (given !== null && tokenizerFile !== null) {
      copyFileSync(tokenizerFile, file);
      return { value: given, summary: `${given.vocab} tokens, from ${tokenizerFile}` };
    }
    const { vocab, min_frequency } = source.tokenizer;
    const texts = split.train.map(({ text }) => text);
    const json = yield* trainBpe(texts, { vocab, min_frequency });
    writeFileSync(file, JSON.stringify(json));
    const trained = makeTokenizer(json, file);
    if (trained.vocab < vocab) {
      listener({
        kind: 'notice',
        text: `the text holds too few repeated pairs for ${vocab} tokens: the vocabulary has ${trained.vocab}`,
      });
    }
    return { value: trained, summary: `byte-level BPE of ${trained.vocab} tokens trained` };
  });
  const separator = separatorId(tokenizer, source.tokenizer.separator ?? undefined, tokenizerFile ?? undefined);

  const [train, validation] = await step('pack', function* () {
    const pack = function* (name: string, documents: readonly Document[]): InParts<SplitManifest> {
      function* encoded() {
        for (const { text } of documents) {
          const ids = tokenizer.encodeOrdinary(text);
          const separated = new Int32Array(ids.length + 1);
          separated.set(ids);
          separated[ids.length] = separator;
          yield separated;
        }
      }
      const sizes = { vocab: tokenizer.vocab, total: documents.length };
      const { tokens } = yield* writeTokenFile(join(folder, name), encoded(), sizes);
      return { documents: documents.length, bytes: sum(documents), tokens };
    };
    const train = yield* pack('train', split.train);
    const validation = yield* pack('validation', split.validation);
    const summary = `${train.tokens} tokens to train on, ${validation.tokens} to validate on (${(train.bytes / train.tokens).toFixed(2)} bytes a token)`;
    return { value: [train, validation] as const, summary };
  });

  const skipped: Record<string, number> = {};
  for (const { reason } of corpus.skipped) skipped[reason] = (skipped[reason] ?? 0) + 1;
  for (const [reason, count] of Object.entries(skipped))
    listener({ kind: 'notice', text: `${count} files left out: ${reason}` });
  const manifest: DataManifest = {
    format: 1,
    key,
    files: files.length,
    dropped: { equal: equal.length, contained: contained.length, skipped },
    train,
    validation,
    vocab: tokenizer.vocab,
    separator,
  };
  writeFileSync(join(folder, sourcesName), sourceListText(corpus.sources));
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest, null, 2));
}

/** A data set that is whole; null where it is gone or damaged. Throws what is wrong with `options` themselves. */
export function openUnlessDamaged(folder: string, options: BatchOptions): Dataset | null {
  try {
    return openDataset(folder, options);
  } catch (error) {
    if (error instanceof DiagnosticError && [tokenFileCorrupt.code, tokenizerInvalid.code].includes(error.code))
      return null;
    throw error;
  }
}

interface Stepper {
  <T>(step: DataStep, work: () => Stepped<T> | InParts<Stepped<T>>): Promise<T>;
}

interface Stepped<T> {
  readonly value: T;
  readonly summary: string;
}

/** Runs the steps one by one, with an event before and after each and at each rest within. */
function stepper(listener: DataListener): Stepper {
  return async (step, work) => {
    listener({ kind: 'step_started', step });
    await new Promise((resume) => setImmediate(resume));
    const started = performance.now();
    const working = work();
    const { value, summary } =
      'summary' in working
        ? working
        : await withRests(working, (how) => listener({ kind: 'step_progress', step, ...how }));
    listener({ kind: 'step_finished', step, seconds: (performance.now() - started) / 1000, summary });
    return value;
  };
}

function sum(parts: readonly { readonly bytes: number }[]): number {
  return parts.reduce((total, { bytes }) => total + bytes, 0);
}
