/** GPT-2, Llama and Mixtral as graphs against the same models in plain PyTorch (`pytorch/language_models.py`), in f64 and f32. */
import { beforeAll, describe, expect, test } from 'vitest';
import { elementsOf, shapeOf } from '../src/ir/type.js';
import { countScalars, countStep } from '../src/nn/denominators.js';
import { initialValues, normal } from '../src/nn/init.js';
import type { LanguageModel } from '../src/nn/language_model.js';
import { GPT, Llama, Mixtral } from '../src/nn/models/index.js';
import { traceLogits, traceModel, type TracedParameter } from '../src/nn/trace.js';
import { evaluate, referenceKernels } from '../src/ops/evaluate.js';
import { adamwScalars } from '../src/optim/adamw.js';
import { adamw } from '../src/optim/options.js';
import { gradientRole, nameOf } from '../src/ir/role.js';
import { buildUpdate, statesOf } from '../src/optim/update.js';
import { traceTraining } from '../src/passes/trace_training.js';
import { runPyTorch, type PyTorchCase, type PyTorchResult } from './pytorch/language_models.js';

type Values = Readonly<Record<string, Float64Array>>;

interface Case {
  readonly name: string;
  readonly kind: 'gpt' | 'llama' | 'mixtral';
  readonly model: LanguageModel;
}

const sizes = { layers: 2, dim: 8, context: 6, vocab: 11 };
const cases: readonly Case[] = [
  { name: 'GPT-2', kind: 'gpt', model: new GPT({ ...sizes, heads: 2 }) },
  { name: 'Llama, grouped heads', kind: 'llama', model: new Llama({ ...sizes, heads: 4, kv_heads: 2, hidden: 12 }) },
  {
    name: 'Llama, one key a query, tied',
    kind: 'llama',
    model: new Llama({ ...sizes, heads: 2, hidden: 12, tied: true }),
  },
  {
    name: 'Mixtral, some tokens dropped',
    kind: 'mixtral',
    model: new Mixtral({
      ...sizes,
      heads: 2,
      hidden: 12,
      experts: 4,
      choices: 2,
      capacity_factor: 1,
      balance: 0.3,
      z_loss: 0.2,
      rope_base: 10_000,
    }),
  },
  {
    name: 'Mixtral, groups of tokens',
    kind: 'mixtral',
    model: new Mixtral({
      ...{ ...sizes, context: 5, heads: 2, hidden: 12, rope_base: 10_000 },
      ...{ experts: 3, choices: 2, capacity_factor: 0.7, token_groups: 5 },
    }),
  },
];

const shape = { microbatches: 2, batch: 2, sequence: 5 } as const;
const steps = 20;

/** Bounds on differences: of gradients, share of the tensor's norm and of the norm of all; of losses and of weights, shares. */
const precisions = [
  { dtype: 'f64', torch: 'float64', gradient: 1e-9, all: 1e-13, loss: 1e-12, weight: 1e-8 },
  { dtype: 'f32', torch: 'float32', gradient: 1e-5, all: 1e-7, loss: 1e-6, weight: 1e-4 },
] as const;
const runs = precisions.flatMap((precision) => cases.map((c) => ({ ...c, precision })));

const optimizer = adamw({ lr: 1e-2, warmup_steps: 3, clip_grad_norm: 0.5 });
const kernels = referenceKernels();

/** Weights of a size at which softmax and norms are not nearly linear; gains near one. */
const startOf = ({ name, type, init }: TracedParameter): Float64Array => {
  const noise = initialValues(normal(0.3), { seed: 1, name }, 0, elementsOf(type));
  return Float64Array.from(noise, (x) => (init.kind === 'ones' ? 1 + x : x));
};

/** Tokens and labels of one step, [microbatch batch sequence]; some labels are padding. */
function batchAt(step: number) {
  const count = shape.microbatches * shape.batch * shape.sequence;
  const tokens = Array.from({ length: count }, (_, i) => (i * 7 + step * 5 + ((i * i) % 5)) % sizes.vocab);
  const labels = tokens.map((token, i) => ((i + step) % 4 === 3 ? -1 : (token * 3 + i) % sizes.vocab));
  return { tokens, labels };
}

const rows = (flat: readonly number[]): number[][] =>
  Array.from({ length: flat.length / shape.sequence }, (_, i) =>
    flat.slice(i * shape.sequence, (i + 1) * shape.sequence),
  );

let theirs: readonly PyTorchResult[];
beforeAll(async () => {
  const given = runs.map(({ kind, model, precision }): PyTorchCase => ({
    model: kind,
    options: model.options,
    dtype: precision.torch,
    microbatches: shape.microbatches,
    parameters: Object.fromEntries(
      traceModel(model, shape).parameters.map((p) => [p.name, { shape: shapeOf(p.type), values: [...startOf(p)] }]),
    ),
    batches: Array.from({ length: steps }, (_, step) => {
      const { tokens, labels } = batchAt(step);
      return { tokens: rows(tokens), labels: rows(labels) };
    }),
    optimizer: {
      lr: Array.from({ length: steps }, (_, step) => adamwScalars(optimizer, step, steps).lr),
      betas: [optimizer.beta1, optimizer.beta2],
      eps: optimizer.eps,
      weight_decay: optimizer.weight_decay,
      clip: optimizer.clip_grad_norm,
    },
  }));
  theirs = await runPyTorch(given);
});

describe.each(runs.map((run, i) => [run.name, run.precision.dtype, i] as const))('%s in %s', (_, dtype, index) => {
  const { model, precision } = runs[index];
  const traced = traceTraining(model, { ...shape, dtype });
  const start: Values = Object.fromEntries(traced.parameters.map((p) => [p.name, startOf(p)]));

  test('the summed loss, the token count and each gradient are theirs', () => {
    const { outputs } = evaluate(traced.graph, { ...start, ...inputsAt(0) }, kernels);
    const their = theirs[index];
    expect(relative(outputs.loss_sum, [their.loss_sum])).toBeLessThan(precision.loss);
    expect(outputs.tokens[0]).toBe(their.tokens);
    const all = norm(Object.values(their.gradients).flat());
    for (const { name } of traced.parameters) {
      const [ours, theirGradient] = [outputs[nameOf(gradientRole(name))], their.gradients[name]];
      expect(distance(ours, theirGradient), name).toBeLessThanOrEqual(
        precision.gradient * norm(theirGradient) + precision.all * all,
      );
    }
  });

  test('the weights after 20 clipped AdamW steps are theirs', () => {
    const update = buildUpdate(traced.parameters, optimizer);
    let state: Values = Object.fromEntries(
      traced.parameters.flatMap(({ name, type }) => [
        [name, start[name]],
        ...statesOf(name).map((state) => [nameOf(state), new Float64Array(elementsOf(type))] as const),
      ]),
    );
    for (let step = 0; step < steps; step++) {
      const weights = Object.fromEntries(traced.parameters.map(({ name }) => [name, state[name]]));
      const forward = evaluate(traced.graph, { ...weights, ...inputsAt(step) }, kernels).outputs;
      expect(relative([forward.loss_sum[0] / forward.tokens[0]], [theirs[index].losses[step]])).toBeLessThan(
        precision.weight,
      );
      const gradients = Object.fromEntries(Object.entries(forward).filter(([name]) => name.startsWith('gradient.')));
      const scalars = Object.entries(adamwScalars(optimizer, step, steps)).map(([name, x]) => [
        name,
        Float64Array.of(x),
      ]);
      const { outputs } = evaluate(
        update,
        { ...state, ...gradients, tokens: forward.tokens, ...Object.fromEntries(scalars) },
        kernels,
      );
      expect(relative(outputs.gradient_norm, [theirs[index].gradient_norms[step]])).toBeLessThan(precision.weight);
      expect(outputs.skipped[0]).toBe(0);
      state = outputs;
    }
    for (const { name } of traced.parameters) {
      const [ours, their] = [state[name], theirs[index].parameters[name]].map((weight) => withoutKeyBias(name, weight));
      expect(relative(ours, their), name).toBeLessThan(precision.weight);
    }
  });

  test('logits of a position see nothing of what follows it', () => {
    const { tokens } = inputsAt(0);
    const logitsOf = (given: Float64Array) =>
      evaluate(traceLogits(model, { ...shape, dtype }).graph, { ...start, tokens: given }, kernels).outputs.logits;
    // The last token of every sequence is another one.
    const last = (i: number) => i % shape.sequence === shape.sequence - 1;
    const changed = tokens.map((token, i) => (last(i) ? (token + 1) % sizes.vocab : token));
    const [before, after] = [logitsOf(tokens), logitsOf(changed)];
    expect(before.length).toBe(tokens.length * sizes.vocab);
    const rows = (logits: Float64Array, keep: (i: number) => boolean) =>
      logits.filter((_, i) => keep(Math.floor(i / sizes.vocab)));
    expect(rows(after, (i) => !last(i))).toEqual(rows(before, (i) => !last(i)));
    expect(rows(after, last)).not.toEqual(rows(before, last));
  });
});

function inputsAt(step: number): Values {
  const { tokens, labels } = batchAt(step);
  const inMicrobatch = labels.length / shape.microbatches;
  const microbatches = Array.from({ length: shape.microbatches }, (_, i) =>
    Int32Array.from(labels.slice(i * inMicrobatch, (i + 1) * inMicrobatch)),
  );
  const scalars = Object.entries(countScalars(countStep(microbatches)));
  return {
    tokens: Float64Array.from(tokens),
    labels: Float64Array.from(labels),
    ...Object.fromEntries(scalars.map(([name, value]) => [name, Float64Array.of(value)])),
  };
}

/** The bias of keys moves every score of a query alike: its true gradient is zero, and Adam divides noise by noise. */
function withoutKeyBias(name: string, values: ArrayLike<number>): ArrayLike<number> {
  if (!name.endsWith('attention.qkv.bias')) return values;
  const third = values.length / 3;
  return Array.from(values).filter((_, i) => i < third || i >= 2 * third);
}

const norm = (x: ArrayLike<number>): number => Math.hypot(...Array.from(x));
const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  expect(a.length).toBe(b.length);
  return norm(Array.from(a, (x, i) => x - b[i]));
};
const relative = (a: ArrayLike<number>, b: ArrayLike<number>): number => distance(a, b) / norm(b);
