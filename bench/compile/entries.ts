/** What is compiled: models of published sizes over plans that they are trained by, and the same of odd sizes. */
import type { LanguageModel } from '../../src/nn/language_model.js';
import { GPT, Llama } from '../../src/nn/models/index.js';
import type { ParallelSizes } from '../../src/plan/parallel_sizes.js';

/** Sizes of which every one that multiplies to ranks is given. */
type SizesOfEntry = ParallelSizes &
  Required<
    Pick<ParallelSizes, 'data_parallel_size' | 'tensor_parallel_size' | 'pipeline_parallel_size' | 'zero_stage'>
  >;

export interface CompileEntry {
  readonly name: string;
  readonly model: () => LanguageModel;
  readonly context: number;
  readonly parallel: SizesOfEntry;
  /** Scheduled microbatches a step, of one sequence for each data-parallel rank. */
  readonly microbatches: number;
}

export const compileEntries: readonly CompileEntry[] = [
  llama70B({ tensor_parallel_size: 8 }),
  gpt3({ data_parallel_size: 2 }),
  gpt3({ data_parallel_size: 2, zero_stage: 0 }),
  gpt3({ data_parallel_size: 2 }, { vocab: 51_200 }),
  gpt3({ data_parallel_size: 2 }, { microbatches: 512 }),
  gpt3({ data_parallel_size: 2, zero_stage: 3 }),
  gpt3({ data_parallel_size: 16 }),
  gpt3({ data_parallel_size: 16, zero_stage: 3 }),
  gpt3({ data_parallel_size: 127 }),
  gpt3({ data_parallel_size: 128 }),
  gpt3({ data_parallel_size: 128, zero_stage: 3 }),
  llama405B({ data_parallel_size: 128, tensor_parallel_size: 8, pipeline_parallel_size: 16 }),
  llama405B({ data_parallel_size: 128, tensor_parallel_size: 8, pipeline_parallel_size: 16, zero_stage: 3 }),
];

export const ranksOf = ({ parallel }: CompileEntry): number =>
  parallel.data_parallel_size * parallel.tensor_parallel_size * parallel.pipeline_parallel_size;

/**
 * Brown et al. 2020 (arXiv:2005.14165) table 2.1, on tensor 8 × pipeline 8 as Narayanan et al. 2021 (arXiv:2104.04473) run it. GPT-2's
 * vocabulary is no multiple of anything; 51,200 is what they pad it to.
 */
function gpt3(parallel: ParallelSizes, { vocab = 50_257, microbatches = 16 } = {}): CompileEntry {
  const context = 2048;
  const sizes = { layers: 96, dim: 12_288, heads: 96, context, vocab };
  const on = { tensor_parallel_size: 8, pipeline_parallel_size: 8, ...parallel };
  const what = `GPT-3 175B, vocabulary ${vocab.toLocaleString('en')}`;
  return entry(what, () => new GPT(sizes), context, on, microbatches);
}

/** Touvron et al. 2023 (arXiv:2307.09288). */
function llama70B(parallel: ParallelSizes): CompileEntry {
  const context = 4096;
  const sizes = { layers: 80, dim: 8192, heads: 64, kv_heads: 8, hidden: 28_672, context, vocab: 32_000 };
  return entry('Llama 2 70B', () => new Llama(sizes), context, parallel, 1);
}

/** Grattafiori et al. 2024 (arXiv:2407.21783) table 3. */
function llama405B(parallel: ParallelSizes): CompileEntry {
  const context = 8192;
  const sizes = { layers: 126, dim: 16_384, heads: 128, kv_heads: 8, hidden: 53_248, context, vocab: 128_256 };
  return entry('Llama 3.1 405B', () => new Llama(sizes), context, parallel, 32);
}

function entry(
  what: string,
  model: () => LanguageModel,
  context: number,
  parallel: ParallelSizes,
  microbatches: number,
): CompileEntry {
  const sizes: CompileEntry['parallel'] = {
    data_parallel_size: 1,
    tensor_parallel_size: 1,
    pipeline_parallel_size: 1,
    zero_stage: 1,
    ...parallel,
  };
  const { data_parallel_size: data, tensor_parallel_size: tensor, pipeline_parallel_size: pipeline } = sizes;
  const name = `${what}, tensor ${tensor} × pipeline ${pipeline} × data ${data}, ZeRO-${sizes.zero_stage}, ${microbatches} microbatches`;
  return { name, model, context, parallel: sizes, microbatches };
}
