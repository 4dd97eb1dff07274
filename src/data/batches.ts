/** From token files to what a step reads: token ids and their labels. */
import { dataTooShort, type SplitNeeds } from './diagnostics.js';
import { sequenceAt } from './order.js';
import type { TokenFile } from './token_file.js';

/** Part of a batch. Sequence s, position t: the label is the token at position t + 1 of the text. */
export interface Batch {
  /** [sequences, context], row-major. */
  readonly tokens: Int32Array;
  /** [sequences, context], row-major. */
  readonly labels: Int32Array;
  /** [sequences, context]: where in its sequence each token's document begins. */
  readonly documentStarts: Int32Array;
  /** [sequences, context]: and behind which position it ends there. */
  readonly documentEnds: Int32Array;
  readonly sequences: number;
  readonly context: number;
}

/** Sequences in a file: stretches of `context` tokens that follow one another, the last with a token left for its final label. */
export function countSequences(file: TokenFile, context: number): number {
  return Math.max(0, Math.floor((file.tokens - 1) / context));
}

/** Training batches: the file's sequences in the order of `order.ts`. */
export class TrainingBatches {
  readonly file: TokenFile;
  readonly context: number;
  readonly seed: number;
  readonly sequencesPerEpoch: number;

  /**
   * @param globalBatch sequences of a step, all ranks together.
   * @throws data/shorter-than-one-batch where an epoch would not fill one batch.
   */
  constructor(p: { file: TokenFile; context: number; globalBatch: number; seed: number; beside?: Beside }) {
    this.file = p.file;
    this.context = p.context;
    this.seed = p.seed;
    this.sequencesPerEpoch = countSequences(p.file, p.context);
    requireSequences('training', p, this.sequencesPerEpoch, p.globalBatch);
  }

  /** Samples `first` to `first + count − 1` of the run, from 0: a pure function of these and the seed. */
  samples(first: number, count: number): Batch {
    const { seed, sequencesPerEpoch: sequences } = this;
    const read = Array.from({ length: count }, (_, i) => sequenceAt({ seed, sample: first + i, sequences }));
    return readBatch(this.file, this.context, read);
  }
}

/** Validation batches: the same sequences every time, in the order of the text. */
export class ValidationBatches {
  readonly file: TokenFile;
  readonly context: number;
  /** Sequences evaluated. */
  readonly sequences: number;
  private readonly available: number;

  /**
   * @param limit most sequences to evaluate; where the file has more, they are taken at even distances.
   * @throws data/shorter-than-one-batch where there is not one sequence.
   */
  constructor(p: { file: TokenFile; context: number; limit: number; beside?: Beside }) {
    this.file = p.file;
    this.context = p.context;
    this.available = countSequences(p.file, p.context);
    requireSequences('validation', p, this.available, 1);
    this.sequences = Math.min(this.available, p.limit);
  }

  /** Sequences `first` to `first + count − 1` of those evaluated. */
  batch(first = 0, count = this.sequences - first): Batch {
    const chosen = Array.from({ length: count }, (_, i) => Math.floor(((first + i) * this.available) / this.sequences));
    return readBatch(this.file, this.context, chosen);
  }
}

function readBatch(file: TokenFile, context: number, sequences: readonly number[]): Batch {
  const tokens = new Int32Array(sequences.length * context);
  const labels = new Int32Array(sequences.length * context);
  const [documentStarts, documentEnds] = [new Int32Array(tokens.length), new Int32Array(tokens.length)];
  const row = new Int32Array(context + 1);
  sequences.forEach((sequence, i) => {
    file.read(sequence * context, context + 1, row);
    tokens.set(row.subarray(0, context), i * context);
    labels.set(row.subarray(1), i * context);
    const { starts, ends } = file.documents(sequence * context, context);
    documentStarts.set(starts, i * context);
    documentEnds.set(ends, i * context);
  });
  return { tokens, labels, documentStarts, documentEnds, sequences: sequences.length, context };
}

/** What stands beside the text of a split, for what is said where that is too short. */
export interface Beside {
  /** What the other split is to have. */
  readonly other: SplitNeeds;
  /** Documents left out of the text since others have theirs. */
  readonly dropped: number;
}

function requireSequences(
  split: string,
  { file, context, beside }: { file: TokenFile; context: number; beside?: Beside },
  sequences: number,
  needed: number,
): void {
  if (sequences >= needed) return;
  const { other = null, dropped = 0 } = beside ?? {};
  throw dataTooShort({ split, tokens: file.tokens, sequences, needed, context, other, dropped });
}
