/** A prepared data set: what training, evaluation and generation read. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TrainingBatches, ValidationBatches } from './batches.js';
import { writeAtomically } from './cache.js';
import { optionOutOfRange, tokenFileCorrupt } from './diagnostics.js';
import { bitsPerByte, countNgrams, evaluateNgram } from './ngram.js';
import { TokenFile } from './token_file.js';
import { loadTokenizer, type Tokenizer } from './tokenizer.js';

/** What a batch needs to be known. */
export interface BatchOptions {
  /** Tokens in a sequence. */
  readonly context: number;
  /** Sequences in the global batch of one step, all ranks together. */
  readonly globalBatch: number;
  /** Of the order of sequences. Default 0; any whole number below 2^53. */
  readonly seed?: number;
  /** Most validation sequences to evaluate, taken at even distances. Default 256. */
  readonly validationSequences?: number;
}

/** How a data set came about: `manifest.json` in its folder. */
export interface DataManifest {
  readonly format: 1;
  /** SHA-256 of the corpus (paths and contents), the options and the tokenizer. */
  readonly key: string;
  readonly files: number;
  /** Documents left out: equal to another one, or mostly contained in others; and files that were no text. */
  readonly dropped: {
    readonly equal: number;
    readonly contained: number;
    readonly skipped: Readonly<Record<string, number>>;
  };
  readonly train: SplitManifest;
  readonly validation: SplitManifest;
  /** Ids are 0 … vocab − 1. */
  readonly vocab: number;
  /** The id after each document. */
  readonly separator: number;
}

export interface SplitManifest {
  readonly documents: number;
  readonly bytes: number;
  readonly tokens: number;
}

/** The loss of one counted model on the evaluated validation sequences. */
export interface Baseline {
  readonly natsPerToken: number;
  readonly bitsPerByte: number;
}

export interface Baselines {
  readonly unigram: Baseline;
  readonly bigram: Baseline;
}

export interface Dataset {
  readonly tokenizer: Tokenizer;
  /** The tokenizer.json it was loaded from. */
  readonly tokenizerFile: string;
  /** Ids are 0 … vocab − 1. A model's vocabulary must be at least that. */
  readonly vocab: number;
  readonly separator: number;
  readonly train: TrainingBatches;
  readonly validation: ValidationBatches;
  /** UTF-8 bytes of text per label, exactly, over the evaluated validation sequences (a separator stands for none). */
  readonly bytesPerToken: number;
  readonly manifest: DataManifest;
  /** The folder it lies in. Any process of the machine can {@link openDataset} it. */
  readonly folder: string;
  /** Unigram and bigram models counted on the training tokens, evaluated on the labels that the network is evaluated on. */
  baselines(): Baselines;
  close(): void;
}

/**
 * Opens a prepared data set. What every rank does; takes milliseconds.
 * @throws data/token-file-corrupt, data/tokenizer-invalid, data/shorter-than-one-batch, data/option-out-of-range.
 */
export function openDataset(folder: string, options: BatchOptions): Dataset {
  const { context, globalBatch, seed = 0, validationSequences: limit = 256 } = options;
  requireCount('context', context);
  requireCount('batch.sequences', globalBatch);
  requireCount('validationSequences', limit);
  if (!Number.isSafeInteger(seed))
    throw optionOutOfRange({ field: 'seed', value: seed, range: 'whole numbers below 2^53' });
  const manifest = readManifest(folder);
  const tokenizerFile = join(folder, 'tokenizer.json');
  const tokenizer = loadTokenizer(tokenizerFile);
  const files = [TokenFile.open(join(folder, 'train')), TokenFile.open(join(folder, 'validation'))];
  const close = () => files.forEach((file) => file.close());
  try {
    const train = new TrainingBatches({ file: files[0], context, globalBatch, seed });
    const validation = new ValidationBatches({ file: files[1], context, limit });
    const { labels } = validation.batch();
    const bytesPerToken = tokenizer.textBytes(labels) / labels.length;
    return {
      tokenizer,
      tokenizerFile,
      vocab: manifest.vocab,
      separator: manifest.separator,
      train,
      validation,
      bytesPerToken,
      manifest,
      folder,
      baselines: () => baselines({ folder, train, validation, vocab: manifest.vocab, bytesPerToken }),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** Counts once for each shape of the validation set, and keeps the result beside it. */
function baselines(p: Pick<Dataset, 'folder' | 'train' | 'validation' | 'vocab' | 'bytesPerToken'>): Baselines {
  const kept = join(p.folder, `baselines-${p.validation.context}-${p.validation.sequences}.json`);
  if (existsSync(kept)) return JSON.parse(readFileSync(kept, 'utf8')) as Baselines;
  const models = countNgrams(p.train.file.pieces(), p.vocab);
  const evaluation = p.validation.batch();
  const evaluate = (model: (typeof models)['unigram']): Baseline => {
    const natsPerToken = evaluateNgram(model, evaluation);
    return { natsPerToken, bitsPerByte: bitsPerByte(natsPerToken, p.bytesPerToken) };
  };
  const result = { unigram: evaluate(models.unigram), bigram: evaluate(models.bigram) };
  try {
    writeAtomically(kept, JSON.stringify(result));
  } catch {
    // A cache that became read-only costs the next run a second; it is no reason to lose this one's result.
  }
  return result;
}

function readManifest(folder: string): DataManifest {
  const file = join(folder, 'manifest.json');
  try {
    const manifest = JSON.parse(readFileSync(file, 'utf8')) as DataManifest; // written by prepareData alone
    if (manifest.format === 1) return manifest;
  } catch (error) {
    throw tokenFileCorrupt({ file, reason: error instanceof Error ? error.message : String(error) }, { cause: error });
  }
  throw tokenFileCorrupt({ file, reason: 'it is of another version' });
}

function requireCount(field: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) throw optionOutOfRange({ field, value, range: '[1, ∞), whole' });
}
