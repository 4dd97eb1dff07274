/** What both sides of a comparison are told: one model, one optimizer, the same first values and batches, as files. */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { elementsOf, shapeOf } from '../../src/ir/type.js';
import { initialValues } from '../../src/nn/init.js';
import { GPT } from '../../src/nn/models/gpt/gpt.js';
import { describeParameters } from '../../src/nn/trace.js';
import { adamwScalars } from '../../src/optim/adamw.js';
import { adamw, type AdamW } from '../../src/optim/options.js';
import type { Rows } from '../../src/train/step_inputs.js';
import type { ModelSizes } from './models.js';

export type TorchStrategy = 'ddp' | 'fsdp2' | 'tensor' | 'pipeline' | 'context';

/** `contestant.py` reads the same fields. */
export interface ContestantConfig {
  readonly model: ModelSizes;
  /** `cpu`, `cuda:0`. */
  readonly device: string;
  readonly compute: 'bf16' | 'f32';
  /** In a step, over all ranks; and in a microbatch. */
  readonly sequences: number;
  readonly microbatch: number;
  readonly threads: number;
  /** PyTorch only: the mode of torch.compile that the model goes through; null: eager. */
  readonly compile: 'default' | 'max-autotune' | null;
  /** Ours only: whether the plan is to be reproducible. */
  readonly reproducible?: boolean;
  /** PyTorch only: how its ranks share a step (bench/pytorch/strategies.py). */
  readonly strategy: TorchStrategy;
  readonly optimizer: {
    readonly beta1: number;
    readonly beta2: number;
    readonly eps: number;
    readonly weight_decay: number;
    readonly clip: number;
  };
  /** Learning rates by step; steps beyond them begin anew. */
  readonly rates: readonly number[];
  readonly seed: number;
  readonly parameters: ParameterFile;
  readonly batches: BatchFile;
  readonly validation: BatchFile | null;
}

/** Parameters' first values: f32, one after the other. */
export interface ParameterFile {
  readonly file: string;
  readonly elements: number;
  readonly tensors: Readonly<Record<string, { readonly shape: readonly number[]; readonly offset: number }>>;
}

/** i32 [count, 2 (tokens, labels), sequences, context]. */
export interface BatchFile {
  readonly file: string;
  readonly count: number;
}

export interface Contest {
  readonly folder: string;
  readonly compute: 'bf16' | 'f32';
  readonly steps: number;
  readonly sequences: number;
  readonly microbatch: number;
  readonly threads: number;
  readonly model: ModelSizes;
  readonly device: string;
  /** Flat batches in the layout of {@link BatchFile}. */
  readonly batches: readonly Int32Array[];
  readonly validation: readonly Int32Array[] | null;
}

/** Writes the batches of a comparison; the parameters' first values are left to {@link writeParameters}. */
export function prepareContest(contest: Contest): ContestantConfig {
  const { folder, steps, model, device, compute, sequences, microbatch, threads } = contest;
  mkdirSync(folder, { recursive: true });
  const optimizer = optimizerOf(steps);
  const seed = 1;
  return {
    model,
    device,
    compute,
    sequences,
    microbatch,
    threads,
    compile: null,
    strategy: 'ddp',
    optimizer: {
      beta1: optimizer.beta1,
      beta2: optimizer.beta2,
      eps: optimizer.eps,
      weight_decay: optimizer.weight_decay,
      clip: optimizer.clip_grad_norm!,
    },
    rates: Array.from({ length: steps }, (_, step) => adamwScalars(optimizer, step, steps).lr),
    seed,
    parameters: describeParameterFile(path.join(folder, 'parameters.bin'), new GPT(model)),
    batches: writeBatches(path.join(folder, 'batches.bin'), contest.batches),
    validation: contest.validation && writeBatches(path.join(folder, 'validation.bin'), contest.validation),
  };
}

/** What every contestant trains with: a run's defaults but for the rate, and a warm-up of at most 40 steps. */
export const optimizerOf = (steps: number): AdamW =>
  adamw({ lr: 1e-3, warmup_steps: Math.min(40, Math.floor(steps / 10)) });

function describeParameterFile(file: string, model: GPT): ParameterFile {
  const tensors: Record<string, { shape: readonly number[]; offset: number }> = {};
  let elements = 0;
  for (const { name, type } of describeParameters(model)) {
    tensors[name] = { shape: shapeOf(type), offset: elements };
    elements += elementsOf(type);
  }
  return { file, elements, tensors };
}

/** Writes the parameters' first values, which peers read. Ours make their own, from the same seed. */
export function writeParameters({ model, seed, parameters }: ContestantConfig): void {
  const out = openSync(parameters.file, 'w');
  for (const { name, type, init } of describeParameters(new GPT(model)))
    writeSync(out, initialValues(init, { seed, name }, 0, elementsOf(type)));
  closeSync(out);
}

function writeBatches(file: string, batches: readonly Int32Array[]): BatchFile {
  const all = new Int32Array(batches.reduce((n, batch) => n + batch.length, 0));
  let offset = 0;
  for (const batch of batches) {
    all.set(batch, offset);
    offset += batch.length;
  }
  writeFileSync(file, all);
  return { file, count: batches.length };
}

/** A flat batch, [2 (tokens, labels), sequences, context], as a step asks for its rows. */
export function rowsOfBatch(batch: Int32Array, context: number): Rows {
  const half = batch.length / 2;
  return (first, count) => {
    const part = (start: number) => batch.subarray(start + first * context, start + (first + count) * context);
    return { tokens: part(0), labels: part(half) };
  };
}

/** A batch of numbers that mean nothing: for measurements in which tokens don't matter. */
export function randomBatch(vocab: number, sequences: number, context: number, seed: number): Int32Array {
  let state = seed >>> 0;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0);
  return Int32Array.from({ length: 2 * sequences * context }, () => Math.floor((next() / 2 ** 32) * vocab));
}
