/**
 * `npm run bench -- learning`: the demo's model trained twice from the same weights on the same batches of the default corpus, by us and
 * by PyTorch (bf16 autocast); then the loss on the same validation sequences.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { installed, prepareData, type Batch, type Dataset } from '../src/data/index.js';
import { packageRoot } from '../src/engine/native/package_root.js';
import { demoBatch } from '../src/config/demo.js';
import { prepareContest, writeParameters, type ContestantConfig } from './contestant/config.js';
import { demoModel } from './contestant/models.js';
import { Contestant } from './contestant/process.js';
import { printRow, type Row } from './rows.js';

export interface LearningOptions {
  readonly steps: number;
  readonly threads: number;
  readonly compute: 'bf16' | 'f32';
  /** Ranks of ours, data-parallel; PyTorch runs in one process, which takes the same steps. */
  readonly ranks: number;
}

/** Global batches of the validation loss. */
const validationBatches = 8;

export async function runLearning(options: LearningOptions): Promise<readonly Row[]> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-bench-'));
  try {
    const config = await writeContest(options, folder);
    const [ours, theirs] = await Promise.all([trainOurs(config, options, folder), trainTheirs(config, folder)]);
    const rows = rowsOf(options, ours, theirs);
    rows.forEach(printRow);
    return rows;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function writeContest({ steps, threads, compute, ranks }: LearningOptions, folder: string) {
  const { sequences, microbatch } = demoBatch;
  const dataset = await prepareData(installed({ tokenizer: { train: 'bpe', vocab: demoModel.vocab } }), {
    context: demoModel.context,
    globalBatch: sequences,
    validationSequences: validationBatches * sequences,
    root: packageRoot(),
  });
  try {
    const { batches, validation } = readAll(dataset, steps, sequences);
    // Both sides run at once and share the processor's cores.
    const own = Math.max(1, Math.floor(threads / (2 * ranks)));
    const sizes = { model: demoModel, device: 'cpu', compute, steps, sequences, microbatch };
    const config = prepareContest({ folder, ...sizes, threads: own, batches, validation });
    writeParameters(config);
    return config;
  } finally {
    dataset.close();
  }
}

function readAll({ train, validation }: Dataset, steps: number, sequences: number) {
  const flat = ({ tokens, labels }: Batch) => {
    const both = new Int32Array(2 * tokens.length);
    both.set(tokens);
    both.set(labels, tokens.length);
    return both;
  };
  const whole = Math.min(validationBatches, Math.floor(validation.sequences / sequences));
  return {
    batches: Array.from({ length: steps }, (_, step) => flat(train.samples(step * sequences, sequences))),
    validation: Array.from({ length: whole }, (_, i) => flat(validation.batch(i * sequences, sequences))),
  };
}

interface Learned {
  readonly losses: readonly number[];
  readonly validationLoss: number;
}

async function trainOurs(config: ContestantConfig, { ranks }: LearningOptions, folder: string): Promise<Learned> {
  return train(await Contestant.ours(config, { data_parallel_size: ranks }, ranks, folder), config);
}

async function trainTheirs(config: ContestantConfig, folder: string): Promise<Learned> {
  return train(await Contestant.pytorch('PyTorch', config, 1, folder), config);
}

async function train(contestant: Contestant, { rates }: ContestantConfig): Promise<Learned> {
  try {
    const losses: number[] = [];
    const part = 10;
    while (losses.length < rates.length) {
      losses.push(...(await contestant.run(Math.min(part, rates.length - losses.length), 3600)).losses);
      console.error(`${contestant.name}: step ${losses.length} of ${rates.length}, loss ${losses.at(-1)!.toFixed(4)}`);
    }
    return { losses, validationLoss: await contestant.validate() };
  } finally {
    await contestant.stop();
  }
}

function rowsOf({ steps, compute, ranks }: LearningOptions, ours: Learned, theirs: Learned): readonly Row[] {
  const name = `learning/${compute}, ${ranks === 1 ? 'one process' : `${ranks} ranks`}, ${steps} steps`;
  const furthest = Math.max(...ours.losses.map((loss, step) => Math.abs(loss / theirs.losses[step] - 1)));
  return [
    {
      name: `${name}/validation loss`,
      unit: 'nats/token',
      ours: ours.validationLoss,
      peers: { PyTorch: theirs.validationLoss },
      ratio: theirs.validationLoss / ours.validationLoss,
      target: 0.99,
      training_losses: { ours: ours.losses, PyTorch: theirs.losses },
    },
    {
      name: `${name}/largest difference of a training loss`,
      unit: 'of PyTorch’s',
      ours: furthest,
      peers: {},
      ratio: 1 - furthest,
      target: 0.99,
    },
  ];
}
