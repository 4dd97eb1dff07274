/** A parameter may have any name: a run whose parameters are called like anything a step speaks of equals the plainly named one, bit for bit. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { nodeDisk, openCheckpoint } from '../../src/checkpoint/index.js';
import { stateAt } from '../../src/checkpoint/testing.js';
import { compileTraining } from '../../src/compile/compile.js';
import { ReferenceEngine } from '../../src/engine/reference/index.js';
import { written } from '../../src/ir/role.js';
import { GPT } from '../../src/nn/models/index.js';
import { modulesOf, parametersOf } from '../../src/nn/module.js';
import { adamwScalars } from '../../src/optim/adamw.js';
import { adamw } from '../../src/optim/index.js';
import { ops } from '../../src/ops/index.js';
import { describeModel } from '../../src/plan/describe_model.js';
import { planOfSizes, type ParallelSizes } from '../../src/plan/parallel_sizes.js';
import { ranksOf } from '../../src/plan/plan.js';
import { initialBlock } from '../../src/run/blocks.js';
import { restoreState } from '../../src/run/load_state.js';
import { saveState } from '../../src/run/save_state.js';
import { stateOf } from '../../src/run/state.js';
import { sharedStore } from '../../src/run/testing/shared_store.js';
import { writeBatch, writeMicrobatches, writeScalars, type Rows } from '../../src/train/step_inputs.js';
import { verifyProgram } from '../../src/verify/index.js';

const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-names-'));
afterAll(() => rmSync(folder, { recursive: true }));

const context = 4;
const newModel = () => new GPT({ layers: 2, dim: 4, heads: 2, vocab: 7, context });
const plainNames = parametersOf(newModel()).map(({ name }) => name);

/** The model with other names for its parameters, one each, in the same order. The fields that its code reads stay, out of sight. */
function renamed(names: readonly string[]): GPT {
  const model = newModel();
  const parameters = parametersOf(model).map(({ parameter }) => parameter);
  for (const { module } of modulesOf(model)) {
    for (const [field, value] of Object.entries(module))
      if (parameters.includes(value as never)) Object.defineProperty(module, field, { enumerable: false });
  }
  parameters.forEach((value, i) => {
    const name = Object.hasOwn(model, names[i]) ? `${names[i]} ` : names[i];
    Object.defineProperty(model, name, { value, enumerable: true });
  });
  return model;
}

/** Three steps, a checkpoint, its resumption by another engine, two more: every tensor of state, in the order of its parameters. */
async function trained(model: GPT, sizes: ParallelSizes, compute: 'f32' | 'bf16'): Promise<readonly string[]> {
  const names = parametersOf(model).map(({ name }) => name);
  const optimizer = adamw({ lr: 0.01, clip_grad_norm: 1 });
  const plan = planOfSizes(sizes, 8, describeModel(model), { sequences: 8, microbatch: 2 }, { compute, master: 'f32' });
  const compiled = compileTraining({
    ...{ model, plan, optimizer, sequence: context, registry: ops, target: 'reference' as const },
    memory: { moves: 10, searchNodes: 0 },
  });
  expect(verifyProgram(compiled.program, compiled.placed, ops)).toEqual([]);
  const ranks = Array.from({ length: ranksOf(plan) }, (_, rank) => rank);
  const tensors = stateOf(compiled.placed, ranks);
  const open = async () => {
    const engine = new ReferenceEngine({ registry: ops });
    return { engine, program: await engine.load(compiled.program) };
  };
  const steps = async (program: Awaited<ReturnType<typeof open>>['program'], from: number, to: number) => {
    for (let step = from; step < to; step++) {
      await writeBatch(program, plan, ranks, rowsOf(step));
      await writeMicrobatches(program, plan, ranks);
      await writeScalars(program, ranks, { ...adamwScalars(optimizer, step, 5), seed: 1, step });
      await program.run();
    }
  };
  const directory = mkdtempSync(path.join(folder, 'run-'));
  const save = async (program: Awaited<ReturnType<typeof open>>['program'], step: number) => {
    const [peers] = sharedStore(1, async () => {});
    const more = { ranks, leaders: [0], peers, attempt: step, writtenBy: 'test', keep: 9 };
    const saved = await saveState({ disk: nodeDisk, directory, state: stateAt(step), tensors, program, ...more });
    return openCheckpoint(nodeDisk, saved.checkpoint!.path);
  };

  const first = await open();
  for (const { name, kind, global, blocks } of tensors) {
    const i = names.findIndex((own) => kind === 'parameter' && written(own) === name);
    if (i < 0) continue;
    const { init } = compiled.parameters[i];
    for (const { rank, tiles, value, elements } of blocks)
      await first.program.write(
        { rank, name: value, elements },
        initialBlock(init, { seed: 3, name: plainNames[i] }, global, tiles),
      );
  }
  await steps(first.program, 0, 3);
  const between = await save(first.program, 3);
  await first.engine.close();
  const second = await open();
  await restoreState(second.program, tensors, between);
  await between.close();
  await steps(second.program, 3, 5);
  const last = await save(second.program, 5);
  await second.engine.close();
  const found = names.flatMap((name) =>
    [written(name), `optimizer.exp_avg.${written(name)}`, `optimizer.exp_avg_sq.${written(name)}`].map(
      (stored) => last.manifest.tensors[stored].sha256,
    ),
  );
  expect(last.names().length).toBe(found.length);
  await last.close();
  return found;
}

const rowsOf =
  (step: number): Rows =>
  (first, count) => {
    const token = (i: number) => (5 * i + i * i * (step + 1)) % 7;
    const at = (shift: number) =>
      Int32Array.from({ length: count * context }, (_, i) => token(first * context + i + shift));
    return { tokens: at(0), labels: at(1) };
  };

/** What a step, a program, a checkpoint or JavaScript has a use for. */
const spoken = [
  ...['tokens', 'labels', 'microbatch', 'seed', 'step', 'lr', 'correction1', 'loss_sum', 'skipped', 'gradient_norm'],
  ...['gradient.x', 'optimizer.exp_avg.y', 'new z', 'sum q', 'sum gradient.x', 'a @1', 'gradient.x @1', 'update w'],
  ...['bucket.0', 'bucket.0.padding', "bucket.0'", 'bucket.1', 'gradient.bucket.0', 'optimizer.exp_avg.bucket.0'],
  ...['__proto__', 'a.constructor', 'toString', 'hasOwnProperty', '__metadata__', 'weights', 'group:data', 'done x'],
  ...[
    '',
    ' ',
    'two words',
    '"quoted"',
    '"tokens"',
    'a/b',
    '../c',
    '%0',
    'x/add%3 {batch:data}',
    'größe',
    '\n',
    '\ud800',
  ],
  ...['x packed', 'x received', 'x workspace', 'step x sent 0', 'blocks.0', 'null', 'undefined', '💥', 'w.1.2', '-1'],
];

/** Distinct names, one a parameter, among them two that the names of a third one's gradient and state would be. */
const anyNames = fc
  .shuffledSubarray([...spoken, ...plainNames], { minLength: plainNames.length, maxLength: plainNames.length })
  .map((names) => {
    const others = names.filter((name) => name !== names[0]);
    const colliding = [`gradient.${names[0]}`, `optimizer.exp_avg.${names[0]}`];
    return [...new Set([names[0], ...colliding, ...others])].slice(0, plainNames.length);
  });

const sizes = { data_parallel_size: 2, tensor_parallel_size: 2, pipeline_parallel_size: 2 };

describe.each([
  { zero_stage: 1, compute: 'f32' },
  { zero_stage: 1, compute: 'bf16' },
  { zero_stage: 3, compute: 'f32' },
  { zero_stage: 3, compute: 'bf16' },
] as const)('ZeRO-$zero_stage in $compute, tensor 2 × pipeline 2 × data 2', ({ zero_stage, compute }) => {
  test('names change nothing', async () => {
    const plain = await trained(newModel(), { ...sizes, zero_stage }, compute);
    await fc.assert(
      fc.asyncProperty(anyNames, async (names) => {
        expect(await trained(renamed(names), { ...sizes, zero_stage }, compute)).toEqual(plain);
      }),
      { numRuns: 3, endOnFailure: true },
    );
  });
});
