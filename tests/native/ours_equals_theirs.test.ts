/**
 * Programs on the native engine against the same models in plain PyTorch (`../pytorch/language_models.py`), from the same weights on
 * the same batches. In f32: each gradient, and the weights after 20 AdamW steps. In bf16, against autocast: the loss curve.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { decode } from '../../src/engine/host_array.js';
import { NativeEngine } from '../../src/engine/native/engine.js';
import { testDevice, testDeviceType } from '../../src/engine/native/testing/device.js';
import { elementsOf, shapeOf } from '../../src/ir/type.js';
import { initialValues, normal } from '../../src/nn/init.js';
import type { LanguageModel } from '../../src/nn/language_model.js';
import { GPT, Llama, Mixtral } from '../../src/nn/models/index.js';
import { describeParameters } from '../../src/nn/trace.js';
import { ops } from '../../src/ops/index.js';
import { adamwScalars } from '../../src/optim/adamw.js';
import { adamw } from '../../src/optim/options.js';
import { gradientRole, nameOf } from '../../src/ir/role.js';
import { traceTraining } from '../../src/passes/trace_training.js';
import { describeModel } from '../../src/plan/describe_model.js';
import { planOfSizes } from '../../src/plan/parallel_sizes.js';
import { compileGraphs, compileTraining, type CompiledProgram } from '../../src/compile/compile.js';
import { writeBatch, writeScalars, type Rows } from '../../src/train/step_inputs.js';
import { tableOf } from '../../src/plan/plan_schedule.js';
import { runPyTorch, type PyTorchCase, type PyTorchResult } from '../pytorch/language_models.js';

const sizes = { layers: 2, dim: 64, context: 32, vocab: 96 };
const models = [
  { name: 'GPT-2', kind: 'gpt', model: new GPT({ ...sizes, heads: 4 }) },
  { name: 'Llama, grouped heads', kind: 'llama', model: new Llama({ ...sizes, heads: 4, kv_heads: 2, hidden: 160 }) },
  {
    name: 'Mixtral, some tokens dropped',
    kind: 'mixtral',
    model: new Mixtral({
      ...{ ...sizes, heads: 4, kv_heads: 2, hidden: 96, rope_base: 10_000 },
      ...{ experts: 4, choices: 2, capacity_factor: 1, balance: 0.1, z_loss: 0.01 },
    }),
  },
] as const;

/** Two scheduled microbatches of two sequences. */
const batch = { sequences: 4, microbatch: 2 };
// The demo's learning rate and optimizer.
const optimizer = adamw({ lr: 1e-3, warmup_steps: 5 });
const steps = { f32: 20, bf16: 100 } as const;
const precisions = ['f32', 'bf16'] as const;
type Compute = (typeof precisions)[number];

const runs = precisions.flatMap((compute) => models.map((model) => ({ ...model, compute })));
let theirs: readonly PyTorchResult[];
beforeAll(async () => {
  theirs = await runPyTorch(runs.map(({ kind, model, compute }) => caseOf(kind, model, compute)));
});

describe.each(runs.map((run, i) => [run.name, run.compute, i] as const))('%s in %s', (_, compute, index) => {
  const { model } = runs[index];

  const gradients = 'the summed loss, the token count and each gradient are theirs';
  // In bf16 gradients differ by rounding; the losses below are what is compared there.
  if (compute === 'f32')
    test(gradients, async () => {
      const traced = traceTraining(model, { microbatches: 1, batch: 2, sequence: sizes.context, dtype: 'f32' });
      const plan = planFor(model, compute);
      const compiled = compileGraphs(
        { plan, registry: ops, target: testDeviceType },
        traced,
        traced.graph,
        null,
        tableOf({ ...plan, schedule: { ...plan.schedule, microbatches: 2 } }),
      );
      await withProgram(compiled, model, async ({ runStep, read }) => {
        await runStep(0);
        const their = theirs[index];
        expect(relative(await read('loss_sum'), [their.loss_sum])).toBeLessThan(1e-6);
        expect(await read('tokens')).toEqual(Float64Array.of(their.tokens));
        const all = norm(Object.values(their.gradients).flat());
        for (const { name } of traced.parameters) {
          const [ours, theirGradient] = [await read(nameOf(gradientRole(name))), their.gradients[name]];
          expect(distance(ours, theirGradient), name).toBeLessThanOrEqual(1e-5 * norm(theirGradient) + 1e-7 * all);
        }
      });
    });

  test(`the loss is theirs at each of ${steps[compute]} steps; in f32, the weights after them too`, async () => {
    const plan = planFor(model, compute);
    const request = { model, optimizer, plan, sequence: sizes.context, registry: ops, target: testDeviceType } as const;
    await withProgram(compileTraining(request), model, async ({ runStep, read }) => {
      for (let step = 0; step < steps[compute]; step++) {
        await runStep(step);
        const loss = (await read('loss_sum'))[0] / (await read('tokens'))[0];
        expect(relative([loss], [theirs[index].losses[step]])).toBeLessThan(compute === 'f32' ? 1e-5 : 0.01);
      }
      if (compute === 'bf16') return;
      for (const { name } of describeParameters(model)) {
        const [ours, their] = [await read(name), theirs[index].parameters[name]].map((w) => withoutKeyBias(name, w));
        expect(relative(ours, their), name).toBeLessThan(1e-4);
      }
    });
  });
});

interface Running {
  /** Runs the step of this index on its batch. */
  runStep(step: number): Promise<void>;
  /** A result or a persistent value. */
  read(name: string): Promise<Float64Array>;
}

async function withProgram(
  { program, parameters }: CompiledProgram,
  model: LanguageModel,
  body: (running: Running) => Promise<void>,
): Promise<void> {
  const [{ arenaBytes, results, values }] = program.classes;
  const engine = new NativeEngine({ registry: ops, rank: 0, device: testDevice, threads: 1, arenaBytes });
  try {
    const loaded = await engine.load(program);
    for (const { name } of parameters) await loaded.write({ rank: 0, name }, startOf(model)[name].values);
    const plan = planFor(model, 'f32');
    await body({
      async runStep(step) {
        await writeScalars(loaded, [0], { ...adamwScalars(optimizer, step, steps.bf16) });
        await writeBatch(loaded, plan, [0], rowsOf(step));
        await loaded.run();
      },
      async read(name) {
        const value = results[name] === undefined ? values.find((one) => one.name === name)! : values[results[name]];
        return decode(value.type.dtype, await loaded.read({ rank: 0, name }));
      },
    });
  } finally {
    await engine.close();
  }
}

function planFor(model: LanguageModel, compute: Compute) {
  return planOfSizes({}, 1, describeModel(model), batch, { compute, master: 'f32' });
}

function caseOf(kind: PyTorchCase['model'], model: LanguageModel, compute: Compute): PyTorchCase {
  return {
    model: kind,
    options: model.options,
    dtype: 'float32',
    autocast: compute === 'bf16',
    microbatches: batch.sequences / batch.microbatch,
    parameters: Object.fromEntries(
      Object.entries(startOf(model)).map(([name, { shape, values }]) => [name, { shape, values: [...values] }]),
    ),
    batches: Array.from({ length: steps[compute] }, (_, step) => {
      const { tokens, labels } = rowsOf(step)(0, batch.sequences);
      return { tokens: rows(tokens), labels: rows(labels) };
    }),
    optimizer: {
      lr: Array.from({ length: steps[compute] }, (_, step) => adamwScalars(optimizer, step, steps.bf16).lr),
      betas: [optimizer.beta1, optimizer.beta2],
      eps: optimizer.eps,
      weight_decay: optimizer.weight_decay,
      clip: optimizer.clip_grad_norm,
    },
  };
}

/** First values, with noise also where a model starts from zeros and ones, so that no gradient is special. */
function startOf(model: LanguageModel) {
  return Object.fromEntries(
    describeParameters(model).map(({ name, type, init }) => {
      const noise = initialValues(normal(0.1), { seed: 1, name }, 0, elementsOf(type));
      return [name, { shape: shapeOf(type), values: init.kind === 'ones' ? noise.map((x) => 1 + x) : noise }];
    }),
  );
}

/** Text in which eight words may follow each word; every eleventh label is padding. */
function rowsOf(step: number): Rows {
  const { context, vocab } = sizes;
  const length = batch.sequences * context + 1;
  const text = new Int32Array(length);
  for (let i = 1; i < length; i++) text[i] = (5 * text[i - 1] + 1 + (hash(step * length + i) % 8)) % vocab;
  const labels = text.slice(1).map((label, i) => (i % 11 === 10 ? -1 : label));
  return (first, count) => {
    const [from, to] = [first * context, (first + count) * context];
    return { tokens: text.slice(from, to), labels: labels.slice(from, to) };
  };
}

function hash(x: number): number {
  let h = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return (h ^ (h >>> 15)) >>> 0;
}

const rows = (flat: Int32Array): number[][] =>
  Array.from({ length: flat.length / sizes.context }, (_, i) => [
    ...flat.subarray(i * sizes.context, (i + 1) * sizes.context),
  ]);

/** The bias of keys moves every score of a query alike: its true gradient is zero, and Adam divides noise by noise. */
function withoutKeyBias(name: string, values: ArrayLike<number>): ArrayLike<number> {
  if (!name.endsWith('attention.qkv.bias')) return values;
  const third = values.length / 3;
  return Array.from(values).filter((_, i) => i < third || i >= 2 * third);
}

const norm = (x: ArrayLike<number>): number => Math.sqrt(Array.from(x).reduce((sum, value) => sum + value * value, 0));
const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  expect(a.length).toBe(b.length);
  return norm(Array.from(a, (x, i) => x - b[i]));
};
const relative = (a: ArrayLike<number>, b: ArrayLike<number>): number => distance(a, b) / norm(b);
