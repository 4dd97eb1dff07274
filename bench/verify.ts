/**
 * GPT-3 (Brown et al. 2020: 96 layers, width 12,288, 96 heads, context 2,048) compiled and verified as Megatron-LM trains it: data ×
 * tensor × pipeline with 1F1B, AdamW, one sequence a microbatch. The compiler allocates no tensor, so any machine can do it.
 *
 *   compile   seconds from the model to the program of all ranks, and what the passes took
 *   text      instructions a template would have written out, over those it has with equal layers folded
 *   verify    seconds of the verifier, over all launches of all classes
 */
import { adamw } from '../src/optim/index.js';
import { GPT } from '../src/nn/models/index.js';
import { ops } from '../src/ops/index.js';
import { describeModel } from '../src/plan/describe_model.js';
import { planOfSizes } from '../src/plan/parallel_sizes.js';
import { compileTraining } from '../src/compile/compile.js';
import { nativeKernels } from '../src/kernels/native_kernels.js';
import type { Program, Template } from '../src/program/program.js';
import { instructionsOf, launchCount } from '../src/program/unroll.js';
import { verifyProgram } from '../src/verify/index.js';
import { median, printRow, type Row } from './rows.js';

/** PTD-P (Narayanan et al. 2021, arXiv:2104.04473) runs GPT-3 on tensor 8 and pipelines; the vocabulary is padded as there. */
const sizes = { layers: 96, dim: 12_288, heads: 96, context: 2048, vocab: 51_200 };
const parallel = { data_parallel_size: 2, tensor_parallel_size: 8, pipeline_parallel_size: 8 };

export function runVerify({ microbatches = 16, rounds = 3 } = {}): readonly Row[] {
  const name = `GPT-3 on data 2 × tensor 8 × pipeline 8, ${microbatches} microbatches`;
  const base = { peers: {}, ratio: null, target: null };
  const { program, placed, seconds, passes } = compiled(microbatches);
  const compile: Row = { ...base, name: `compile/${name}`, unit: 'seconds', ours: seconds, passes };
  printRow(compile);

  const templates = program.classes.flatMap((rankClass) => rankClass.templates);
  const written = sum(templates.map((template) => instructionsOf(template).length));
  const folded = sum(templates.map(textLength));
  const text: Row = { ...base, name: `text/${name}`, unit: 'instructions', ours: folded, written_out: written };
  printRow(text);

  const kernels = nativeKernels(ops, 'cpu');
  const [fault] = verifyProgram(program, placed, ops, kernels);
  if (fault) throw fault;
  const times = Array.from({ length: rounds }, () => {
    const began = performance.now();
    verifyProgram(program, placed, ops, kernels);
    return (performance.now() - began) / 1000;
  });
  const launches = sum(program.classes.map(launchCount));
  const ours = median(times);
  const verify: Row = {
    ...base,
    name: `verify/${name}`,
    unit: 'seconds',
    ours,
    launches,
    launches_per_second: launches / ours,
  };
  printRow(verify);
  return [compile, text, verify];
}

function compiled(microbatches: number) {
  const model = new GPT(sizes);
  const ranks = Object.values(parallel).reduce((a, b) => a * b);
  const batch = { sequences: microbatches * parallel.data_parallel_size, microbatch: 1 };
  const plan = planOfSizes(parallel, ranks, describeModel(model), batch, { compute: 'bf16', master: 'f32' });
  const passes: Record<string, number> = {};
  const began = performance.now();
  let before = began;
  // The passes of lowering are shown together, at the end of the last of them.
  const observe = (pass: string): void => {
    const now = performance.now();
    if (now - before > 1) passes[pass] = (now - before) / 1000;
    before = now;
  };
  const optimizer = adamw({ lr: 6e-5 });
  const { program, placed } = compileTraining({
    model,
    plan,
    sequence: sizes.context,
    registry: ops,
    target: 'cpu',
    optimizer,
    observe,
  });
  return { program: program as Program, placed, seconds: (performance.now() - began) / 1000, passes };
}

const textLength = ({ body }: Template): number =>
  sum(body.map((entry) => (entry.kind === 'for' ? entry.body.length : 1)));

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
