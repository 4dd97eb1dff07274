/** A prepared data set: what training, evaluation and generation read. */
import { join } from 'node:path';
import { z } from 'zod';
import { TrainingBatches, ValidationBatches } from './batches.js';
import { DatasetText } from './dataset_text.js';
import { optionOutOfRange, tokenFileCorrupt } from './diagnostics.js';
import { atOnce, type InParts } from './in_parts.js';
import { bitsPerByte, countNgrams, evaluateNgram } from './ngram.js';
import { parseFields } from '../ir/parse_json.js';
import { readText } from './read_text.js';
import { preparedUnreadable, TokenFile } from './token_file.js';
import { writeAtomically } from './temporaries.js';
import type { Tokenizer } from './tokenizer.js';

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

const count = z.int().nonnegative();
const splitSchema = z.object({ documents: count, bytes: count, tokens: count });

const manifestSchema = z.object({
  format: z.literal(1),
  /** SHA-256 of the corpus (paths and contents), the options and the tokenizer. */
  key: z.string().regex(/^[0-9a-f]{64}$/),
  files: count,
  /** Documents left out: equal to another one, or mostly contained in others; and files that were no text. */
  dropped: z.object({ equal: count, contained: count, skipped: z.record(z.string(), count) }),
  train: splitSchema,
  validation: splitSchema,
  /** Ids are 0 … vocab − 1. */
  vocab: z
    .int()
    .min(1)
    .max(2 ** 24),
  /** The id after each document. */
  separator: count,
  /** How text comes back from the tokenizer, where it does so otherwise than it was; absent: as it was, as far as was looked. */
  lost: z.object({ given: z.string(), back: z.string() }).optional(),
});

/** How a data set came about: `manifest.json` in its folder. */
export type DataManifest = Readonly<z.infer<typeof manifestSchema>>;
export type SplitManifest = Readonly<z.infer<typeof splitSchema>>;

const baselineSchema = z.object({ natsPerToken: z.number(), bitsPerByte: z.number() });
const baselinesSchema = z.object({ unigram: baselineSchema, bigram: baselineSchema });

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
  /** Loaded when it is first asked for. @throws data/tokenizer-invalid, data/token-file-corrupt. */
  readonly tokenizer: Tokenizer;
  /** The tokenizer.json it is loaded from. */
  readonly tokenizerFile: string;
  /** Ids are 0 … vocab − 1. A model's vocabulary must be at least that. */
  readonly vocab: number;
  readonly separator: number;
  readonly train: TrainingBatches;
  readonly validation: ValidationBatches;
  /**
   * UTF-8 bytes of text per label, exactly, over the evaluated validation sequences (a separator stands for none). Where it is not kept
   * beside the data, the first to ask measures it.
   */
  readonly bytesPerToken: number;
  readonly manifest: DataManifest;
  /** The folder it lies in. Any process of the machine can {@link openDataset} it. */
  readonly folder: string;
  /** Loads the tokenizer and measures the text, with parts to rest between. @throws as `tokenizer` does. */
  loadText(): InParts<void>;
  /** Reads all tokens. @throws data/id-outside-vocabulary; without it, a batch that holds such an id does. */
  requireIds(): void;
  /** Unigram and bigram models counted on the training tokens, evaluated on the labels that the network is evaluated on. */
  baselines(): Baselines;
  /** May be called more than once. */
  close(): void;
}

/**
 * Opens a prepared data set. What every rank does; takes milliseconds, and loads no tokenizer.
 * @throws data/token-file-corrupt, data/shorter-than-one-batch, data/option-out-of-range.
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
  const files = openSplits(folder, manifest.vocab);
  let isOpen = true;
  const close = () => {
    if (isOpen) files.forEach((file) => file.close());
    isOpen = false;
  };
  try {
    const { equal, contained } = manifest.dropped;
    const beside = (k: number, needed: number) => ({
      other: { tokens: files[k].tokens, needed },
      dropped: equal + contained,
    });
    const train = new TrainingBatches({ file: files[0], context, globalBatch, seed, beside: beside(1, 1) });
    const validation = new ValidationBatches({ file: files[1], context, limit, beside: beside(0, globalBatch) });
    const text = new DatasetText({ folder, tokenizerFile, vocab: manifest.vocab, validation });
    const dataset: Dataset = {
      get tokenizer() {
        return atOnce(text.tokenizer());
      },
      tokenizerFile,
      vocab: manifest.vocab,
      separator: manifest.separator,
      train,
      validation,
      get bytesPerToken() {
        return atOnce(text.bytesPerToken());
      },
      *loadText() {
        yield* text.tokenizer();
        yield* text.bytesPerToken();
      },
      manifest,
      folder,
      requireIds: () => files.forEach((file) => file.requireIds()),
      baselines: () => baselines(dataset),
      close,
    };
    return dataset;
  } catch (error) {
    close();
    throw error;
  }
}

/** Training and validation tokens. Where the second cannot be opened, the first is closed. */
function openSplits(folder: string, vocab: number): readonly [TokenFile, TokenFile] {
  const train = TokenFile.open(join(folder, 'train'), vocab);
  try {
    return [train, TokenFile.open(join(folder, 'validation'), vocab)];
  } catch (error) {
    train.close();
    throw error;
  }
}

/** Gives what `work` gives; where it throws, the data set is closed. */
export async function closedOnError<T>(dataset: Dataset, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    dataset.close();
    throw error;
  }
}

/** Counts once for each shape of the validation set, and keeps the result beside it. */
function baselines(p: Pick<Dataset, 'folder' | 'train' | 'validation' | 'vocab' | 'bytesPerToken'>): Baselines {
  const kept = join(p.folder, `baselines-${p.validation.context}-${p.validation.sequences}.json`);
  const known = readBaselines(kept);
  if (known !== null) return known;
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

/** Kept baselines; null where there are none, or none that can be read: they are counted again then. */
function readBaselines(file: string): Baselines | null {
  try {
    return baselinesSchema.parse(parseFields(readText(file)));
  } catch {
    return null;
  }
}

function readManifest(folder: string): DataManifest {
  const file = join(folder, 'manifest.json');
  const refuse = (reason: string) => tokenFileCorrupt({ file, reason });
  let json: unknown;
  try {
    json = parseFields(readText(file));
  } catch (error) {
    throw preparedUnreadable(file, error);
  }
  if (typeof json !== 'object' || json === null || Reflect.get(json, 'format') !== 1)
    throw refuse('it is of another version');
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0];
    throw refuse(`${path.join('.')}: ${message}`);
  }
  if (parsed.data.separator >= parsed.data.vocab) throw refuse('separator: it is no id of the vocabulary');
  return parsed.data;
}

function requireCount(field: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) throw optionOutOfRange({ field, value, range: '[1, ∞), whole' });
}
