/** The models that benches train, each with the batch that it is measured at. */
import type { GPTSizes } from '../../src/nn/models/gpt/options.js';
import type { PlannedBatch } from '../../src/plan/share_batch.js';
import { demoBatch } from '../../src/config/demo.js';

export type ModelSizes = Pick<GPTSizes, 'layers' | 'dim' | 'heads' | 'context' | 'vocab'>;

/** About 14 million parameters: three times the model that the demo trains, at its batch. */
export const demoModel = { layers: 6, dim: 384, heads: 6, context: 256, vocab: 8192 } as const satisfies ModelSizes;

/** The smallest GPT-2: 124,439,808 parameters, its vocabulary as it is, not padded. */
export const gpt2Small = { layers: 12, dim: 768, heads: 12, context: 1024, vocab: 50257 } as const satisfies ModelSizes;

/** About 4 million parameters: a step in which kernels still outweigh their launches, and that a busy machine does in tenths of a second. */
export const smallModel = { layers: 4, dim: 256, heads: 4, context: 256, vocab: 2048 } as const satisfies ModelSizes;

/** Of a size at which everything that a bench does has been done within seconds, on any machine. */
export const tinyModel = { layers: 2, dim: 128, heads: 4, context: 64, vocab: 1024 } as const satisfies ModelSizes;

export const benchModelNames = ['tiny', 'small', 'demo', 'gpt2-124m'] as const;
export type BenchModelName = (typeof benchModelNames)[number];

export interface BenchModel {
  readonly name: BenchModelName;
  readonly sizes: ModelSizes;
  readonly batch: PlannedBatch;
}

/** At 16 sequences a side of a comparison takes at most about 25 GB, so that four of them share an 80 GB device. */
const byName: Readonly<Record<BenchModelName, Omit<BenchModel, 'name'>>> = {
  tiny: { sizes: tinyModel, batch: { sequences: 8, microbatch: 4 } },
  small: { sizes: smallModel, batch: { sequences: 8, microbatch: 4 } },
  demo: { sizes: demoModel, batch: demoBatch },
  'gpt2-124m': { sizes: gpt2Small, batch: { sequences: 16, microbatch: 16 } },
};

export const benchModel = (name: BenchModelName): BenchModel => ({ name, ...byName[name] });
