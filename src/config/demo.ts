/** The main job: a GPT of about 14 million parameters, trained in minutes on text that is on every machine that runs this. */
import type { TrainOptions } from './schema.js';

const vocab = 8192;

/** Small batches, many steps: what a few million tokens teach most by. */
export const demoBatch = { sequences: 8, microbatch: 4 } as const;

/** Options of `flotilla demo`; flags and `--set` change them. `steps`: as the command line gives them, or null. */
export function demoOptions(steps: number | null): TrainOptions {
  return {
    model: { family: 'gpt', layers: 6, dim: 384, heads: 6, context: 256, vocab },
    data: { tokenizer: { vocab } },
    batch: demoBatch,
    precision: 'bf16',
    optimizer: {
      lr: 1e-3,
      schedule: 'cosine',
      // About a tenth of a five-minute run, and of a shorter one.
      warmup_steps: steps === null ? 40 : Math.min(40, Math.floor(steps / 10)),
      min_lr_ratio: 0.1,
      weight_decay: 0.1,
      beta2: 0.95,
      clip_grad_norm: 1,
    },
    evaluation: { every_steps: 100, batches: 8 },
    sample: { prompt: 'export interface ', tokens: 120 },
    logging: { name: demoName(new Date()) },
    ...(steps === null && { minutes: 5 }),
  };
}

const demoName = (now: Date): string => `demo-${now.toISOString().slice(0, 19).replace(/[T:]/g, '-')}`;
