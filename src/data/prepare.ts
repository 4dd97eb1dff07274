/** From a description of data to a data set in the cache: find, read, deduplicate, split, train the tokenizer, pack. */
import { lostText } from './loses_text.js';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DiagnosticError } from '../ir/diagnostic.js';
import { bytesText, counted } from '../ir/units.js';
import { trainBpe } from './bpe_trainer.js';
import { DataCache } from './cache.js';
import { readCorpus, type Corpus, type Document, type Skipped } from './corpus.js';
import {
  closedOnError,
  openDataset,
  type BatchOptions,
  type DataManifest,
  type Dataset,
  type SplitManifest,
} from './dataset.js';
import { deduplicate } from './deduplicate.js';
import { dataEmpty, idOutsideVocabulary, tokenFileCorrupt, tokenizerInvalid } from './diagnostics.js';
import type { DataListener, DataStep } from './events.js';
import type { SourceFile } from './find_files.js';
import { withRests, type InParts, type Tell } from './in_parts.js';
import { keyOf, signatureOf, sourceFiles, tokenizerFileOf } from './identity.js';
import { defaultCache } from './options.js';
import type { TextSource } from './source.js';
import { sourceListText, sourcesName } from './source_list.js';
import { splitDocuments } from './split.js';
import { loadTokenizerInParts, makeTokenizer, separatorId, type Encoding, type Tokenizer } from './tokenizer.js';
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
    return { value: files, summary: `${counted(files.length, 'file')}, ${bytesText(sum(files))}` };
  });
  const tokenizerFile = tokenizerFileOf(source, root);
  const signature = signatureOf(source, files, tokenizerFile);
  const known = cache.seen(signature);
  if (known !== null && cache.has(known)) {
    let damage = '';
    const dataset = await openUnlessDamaged(cache.path(known), options, {
      listener,
      onDamage: (what) => (damage = what),
    });
    if (dataset) {
      listener({ kind: 'cached', folder: dataset.folder, seconds: (performance.now() - started) / 1000 });
      tellLost(dataset, listener);
      return dataset;
    }
    listener({
      kind: 'notice',
      text: `the prepared data in ${cache.path(known)} is damaged and made again: ${damage}`,
    });
    cache.remove(known);
  }

  const corpus = await step('read', async (tell) => {
    const corpus = await readCorpus(files, source, tell);
    const { documents, skipped, bytes } = corpus;
    return {
      value: corpus,
      summary: `${counted(documents.length, 'document')}, ${bytesText(bytes)}; ${counted(skipped.length, 'file')} skipped`,
    };
  });
  for (const text of corpus.notices) listener({ kind: 'notice', text });
  if (corpus.documents.length === 0) {
    const where = source.paths?.join(', ') ?? 'node_modules';
    throw dataEmpty({ where, files: files.length, skipped: corpus.skipped.map(skippedText) });
  }
  const loads = tokenizerFile === null ? null : loadTokenizerInParts(tokenizerFile);
  const given = loads && (await withRests(loads, delayTold(listener)));
  const key = keyOf(source, corpus, given);
  if (!cache.has(key)) {
    await cache.make(key, (folder) =>
      build({ source, files, corpus, given, tokenizerFile, key, folder, step, listener }),
    );
  }
  cache.remember(signature, key);
  const dataset = openDataset(cache.path(key), options);
  return closedOnError(dataset, async () => {
    await withRests(dataset.loadText(), delayTold(listener));
    tellLost(dataset, listener);
    return dataset;
  });
}

/** Says of a tokenizer that does not give back what it was given that its numbers do not compare. */
function tellLost({ manifest: { lost } }: Dataset, listener: DataListener): void {
  if (lost === undefined) return;
  const comes = `${JSON.stringify(lost.given)} comes back as ${JSON.stringify(lost.back)}`;
  const text = `the tokenizer loses text (${comes}): its bits/byte are too low to compare with those of other tokenizers`;
  listener({ kind: 'notice', text });
}

/** A document that takes longer is named: it may be one run of letters, or meet an expression that hardly ends. */
const longMilliseconds = 10_000;

/** Says once of a tokenizer that it is long about something. */
function delayTold(listener: DataListener): Tell {
  let due = performance.now() + longMilliseconds;
  return ({ at }) => {
    if (performance.now() < due) return;
    listener({ kind: 'notice', text: `the tokenizer takes long: ${at}` });
    due = Infinity;
  };
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
    const summary = `${counted(documents.length, 'document')}, ${bytesText(sum(documents))} kept; ${equal.length} equal, ${contained.length} contained in others`;
    return { value: result, summary };
  });
  const split = splitDocuments(documents, source.validation_fraction);

  const tokenizer = await step('tokenizer', function* () {
    const file = join(folder, 'tokenizer.json');
    if (given !== null && tokenizerFile !== null) {
      // Its content and not its permissions: a cache is for all who may write there.
      writeFileSync(file, readFileSync(tokenizerFile));
      if (given.json.model.dropout)
        listener({
          kind: 'notice',
          text: 'the dropout of the tokenizer is not used: a text has the same ids each time',
        });
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

  let holdSeparator = 0;
  const [train, validation] = await step('pack', function* () {
    const pack = function* (name: string, documents: readonly Document[]): InParts<SplitManifest> {
      function* encoded(): Generator<Encoding> {
        let since = performance.now();
        for (const ids of tokenizer.encodeAll(documents)) {
          if (!(ids instanceof Int32Array)) {
            if (performance.now() - since > longMilliseconds) {
              listener({ kind: 'notice', text: `the tokenizer takes long to read ${ids.at}` });
              since = Infinity;
            }
            yield ids;
            continue;
          }
          since = performance.now();
          if (ids.includes(separator)) holdSeparator++;
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

  if (holdSeparator > 0) {
    const text = `${counted(holdSeparator, 'document')} ${holdSeparator === 1 ? 'holds' : 'hold'} the text of the separator, which this tokenizer reads as one`;
    listener({ kind: 'notice', text });
  }

  // Our own vocabularies have every byte.
  const lost =
    given === null
      ? null
      : lostText(
          given,
          [...split.validation, ...split.train].map(({ text }) => text),
        );

  const skipped: Record<string, number> = {};
  for (const { reason } of corpus.skipped) skipped[reason] = (skipped[reason] ?? 0) + 1;
  for (const [reason, count] of Object.entries(skipped)) {
    const named = corpus.skipped.filter((one) => one.reason === reason && one.detail !== undefined).slice(0, 3);
    const which = named.map(({ path, detail }) => `${path}: ${detail}`).join('; ');
    listener({ kind: 'notice', text: `${counted(count, 'file')} left out: ${reason}${which && ` (${which})`}` });
  }
  const manifest: DataManifest = {
    format: 1,
    key,
    files: files.length,
    dropped: { equal: equal.length, contained: contained.length, skipped },
    train,
    validation,
    vocab: tokenizer.vocab,
    separator,
    ...(lost !== null && { lost }),
  };
  writeFileSync(join(folder, sourcesName), sourceListText(corpus.sources));
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest, null, 2));
}

/**
 * A data set that is whole, all its ids read and its tokenizer loaded; null where it is gone or damaged, which `onDamage` is told. Throws
 * what is wrong with `options` themselves.
 */
export async function openUnlessDamaged(
  folder: string,
  options: BatchOptions,
  { listener, onDamage }: { readonly listener: DataListener; readonly onDamage?: (what: string) => void },
): Promise<Dataset | null> {
  let dataset: Dataset | null = null;
  try {
    dataset = openDataset(folder, options);
    dataset.requireIds();
    await withRests(dataset.loadText(), delayTold(listener));
    return dataset;
  } catch (error) {
    dataset?.close();
    if (!(error instanceof DiagnosticError && damages.includes(error.code))) throw error;
    onDamage?.(error.diagnostic.what);
    return null;
  }
}

const damages: readonly string[] = [tokenFileCorrupt, tokenizerInvalid, idOutsideVocabulary].map(({ code }) => code);

interface Stepper {
  <T>(step: DataStep, work: (tell: Tell) => Stepped<T> | Promise<Stepped<T>> | InParts<Stepped<T>>): Promise<T>;
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
    const tell: Tell = (how) => listener({ kind: 'step_progress', step, ...how });
    const working = work(tell);
    const { value, summary } = 'next' in working ? await withRests(working, tell) : await working;
    listener({ kind: 'step_finished', step, seconds: (performance.now() - started) / 1000, summary });
    return value;
  };
}

const skippedText = ({ path, reason, detail }: Skipped): string => `${path}: ${detail ?? reason}`;

function sum(parts: readonly { readonly bytes: number }[]): number {
  return parts.reduce((total, { bytes }) => total + bytes, 0);
}
