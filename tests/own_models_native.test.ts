/**
 * Random small models of documented ops (`arbitraries/own_models.ts`) on the native engine against the reference: what traces, trains.
 * `RUNS=2000 npx vitest run tests/own_models_native` searches longer.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Engine, LoadedProgram } from '../src/engine/engine.js';
import { decode, encode } from '../src/engine/host_array.js';
import { NativeEngine } from '../src/engine/native/engine.js';
import { testDevice, testDeviceType } from '../src/engine/native/testing/device.js';
import { ReferenceEngine } from '../src/engine/reference/index.js';
import { elementsOf } from '../src/ir/type.js';
import { initialValues } from '../src/nn/init.js';
import type { LanguageModel } from '../src/nn/language_model.js';
import { describeParameters } from '../src/nn/trace.js';
import { ops } from '../src/ops/index.js';
import { adamwScalars } from '../src/optim/adamw.js';
import { adamw } from '../src/optim/options.js';
import { describeModel } from '../src/plan/describe_model.js';
import { planOfSizes } from '../src/plan/parallel_sizes.js';
import type { Plan } from '../src/plan/plan.js';
import { compileTraining, type CompiledTraining } from '../src/compile/compile.js';
import { nativeKernels } from '../src/kernels/native_kernels.js';
import { verifyProgram } from '../src/verify/index.js';
import { anyOwnModel, OwnModel, pieceKinds, type OwnModelDraw } from './arbitraries/own_models.js';

type Compute = 'f32' | 'bf16';
const steps = 3;
const optimizer = adamw({ lr: 1e-2 });

/** What a few steps of a model give, step by step: losses and norms; after them the optimizer's averages of gradients, by parameter. */
interface Trained {
  readonly losses: readonly number[];
  readonly norms: readonly number[];
  readonly averages: ReadonlyMap<string, Float64Array>;
  readonly parameters: ReadonlyMap<string, Float64Array>;
}

// RUNS draws more.
const runs = Number(process.env.RUNS ?? 40);
/** Milliseconds that a search may take. */
const limitMs = 60_000 * Math.max(5, runs / 10);
for (const compute of ['f32', 'bf16'] as const) {
  test(
    `${runs} random models of documented ops train natively in ${compute} as on the reference`,
    async () => {
      const law = fc.asyncProperty(anyOwnModel(), (draw) => expectTrains(draw, compute));
      await fc.assert(law, { seed: process.env.RUNS ? undefined : 7, numRuns: runs });
    },
    limitMs,
  );
}

describe('each piece by itself', () => {
  // RUNS: in each of its variants, and in both precisions.
  const all = process.env.RUNS !== undefined;
  pieceKinds.forEach((kind, k) => {
    const variants = all ? Array.from({ length: 12 }, (_, i) => i) : [k, k + 5].map((i) => i % 12);
    test(
      `${kind}, ${variants.length} variants`,
      async () => {
        for (const variant of variants) {
          const draw: OwnModelDraw = {
            pieces: [{ kind, variant, join: (['add', 'replace', 'gate'] as const)[variant % 3] }],
            sizes: { dim: 6, sequence: 5, vocab: 7 },
            batch: 2,
            logical: 1 + (variant % 2),
            microbatches: 2,
            stream: (['same', 'f32', 'bf16', 'f64'] as const)[variant % 4],
            loss: (['plain', 'scaled', 'smoothed', 'decay', 'z'] as const)[variant % 5],
            unused: variant % 2 === 0,
          };
          const both = ['f32', 'bf16'] as const;
          for (const compute of all ? both : [both[variant % 2]]) await expectTrains(draw, compute);
        }
      },
      limitMs,
    );
  });
});

async function expectTrains(draw: OwnModelDraw, compute: Compute): Promise<void> {
  const model = new OwnModel(draw);
  const plan = planFor(draw, model, compute);
  const request = { model, optimizer, plan, sequence: draw.sizes.sequence, registry: ops } as const;
  const compiled = compileTraining({ ...request, target: testDeviceType });
  expect(verifyProgram(compiled.program, compiled.placed, ops, nativeKernels(ops, testDeviceType))).toEqual([]);
  const [{ arenaBytes }] = compiled.program.classes;
  const engine = new NativeEngine({ registry: ops, rank: 0, device: testDevice, threads: 1, arenaBytes });
  const native = await train(engine, compiled, model, draw, plan);
  const wanted = await train(
    new ReferenceEngine({ registry: ops }),
    compileTraining({ ...request, target: 'reference' }),
    model,
    draw,
    plan,
  );
  expectClose(native, wanted, draw, compute);
  for (const name of compiled.unusedParameters)
    expect(native.parameters.get(name), name).toEqual(Float64Array.from(startOf(model, name)));
  expect(compiled.unusedParameters.includes('idle')).toBe(draw.unused);
}

/**
 * In f32 the two differ by the order of sums alone; in bf16 each rounds activations in places of its own: the errors of the layers add
 * up as a random walk, of the few products of a gradient more than of a loss.
 */
const limits: Readonly<Record<Compute | 'narrow', { readonly loss: number; readonly gradient: number }>> = {
  f32: { loss: 1e-5, gradient: 2e-3 },
  bf16: { loss: 0.03, gradient: 0.25 },
  narrow: { loss: 0.03, gradient: 0.25 },
};

function expectClose(got: Trained, wanted: Trained, { stream, pieces }: OwnModelDraw, compute: Compute): void {
  const rounds =
    stream === 'bf16' || pieces.some(({ kind }) => ['precision', 'swiglu', 'masked_weight'].includes(kind));
  const { loss, gradient } = limits[compute === 'f32' && rounds ? 'narrow' : compute];
  for (let step = 0; step < steps; step++) {
    expect(
      Math.abs(got.losses[step] - wanted.losses[step]),
      `loss of step ${step}: ${got.losses[step]}, ${wanted.losses[step]}`,
    ).toBeLessThanOrEqual(loss * Math.max(1, Math.abs(wanted.losses[step])));
    expect(
      Math.abs(got.norms[step] / wanted.norms[step] - 1),
      `norm of step ${step}: ${got.norms[step]}, ${wanted.norms[step]}`,
    ).toBeLessThanOrEqual(gradient);
  }
  const norm = (x: ArrayLike<number>) => Math.hypot(...Array.from(x));
  const whole = Math.hypot(...[...wanted.averages.values()].map(norm));
  expect([...got.averages.keys()].sort()).toEqual([...wanted.averages.keys()].sort());
  for (const [name, average] of wanted.averages) {
    const difference = norm(average.map((x, i) => x - got.averages.get(name)![i]));
    expect(difference, `the average gradient of ${name}`).toBeLessThanOrEqual(gradient * whole);
  }
}

async function train(
  engine: Engine,
  { program }: CompiledTraining,
  model: LanguageModel,
  draw: OwnModelDraw,
  plan: Plan,
): Promise<Trained> {
  try {
    const loaded = await engine.load(program);
    const state = stateOf(loaded);
    for (const { name } of describeParameters(model)) {
      const { value, elements, type } = state.get(name)!;
      await loaded.write({ rank: 0, name: value, elements }, encode(type.dtype, startOf(model, name)));
    }
    const [losses, norms]: number[][] = [[], []];
    for (let step = 0; step < steps; step++) {
      await writeStep(loaded, draw, plan, step);
      await loaded.run();
      const read = async (name: string) => (await readResult(loaded, name))[0];
      losses.push((await read('loss_sum')) / (await read('tokens')));
      norms.push(await read('gradient_norm'));
    }
    const all = new Map<string, Float64Array>();
    for (const [name, { value, elements, type }] of state)
      all.set(name, decode(type.dtype, await loaded.read({ rank: 0, name: value, elements })));
    const prefix = 'optimizer.exp_avg.';
    const averages = new Map(
      [...all].filter(([name]) => name.startsWith(prefix)).map(([name, x]) => [name.slice(prefix.length), x]),
    );
    return { losses, norms, averages, parameters: all };
  } finally {
    await engine.close();
  }
}

function planFor(draw: OwnModelDraw, model: LanguageModel, compute: Compute): Plan {
  const sequences = draw.batch * draw.logical * draw.microbatches;
  const plan = planOfSizes(
    {},
    1,
    describeModel(model),
    { sequences, microbatch: draw.batch },
    { compute, master: 'f32' },
  );
  return {
    ...plan,
    schedule: { ...plan.schedule, microbatches: draw.microbatches },
    batch: { logical_microbatches: draw.logical, sequences: draw.batch, padding: 0 },
  };
}

/** Where the one rank holds each tensor of its state: buckets hold several. */
function stateOf({ program }: LoadedProgram) {
  const [{ values, before }] = program.classes;
  const found = new Map<string, { value: string; elements: [number, number]; type: (typeof values)[number]['type'] }>();
  for (const { at } of before.values) {
    const { name, type, tensors } = values[at];
    let from = 0;
    for (const tensor of tensors ?? [{ name, type }]) {
      const to = from + elementsOf(tensor.type);
      found.set(tensor.name, { value: name, elements: [from, to], type: tensor.type });
      from = to;
    }
  }
  return found;
}

async function writeStep(loaded: LoadedProgram, draw: OwnModelDraw, { schedule }: Plan, step: number): Promise<void> {
  const [{ values, schedule: text }] = loaded.program.classes;
  const write = async (name: string, numbers: readonly number[], microbatch?: number) => {
    const index = values.findIndex((value) => value.name === name && ['data', 'persistent'].includes(value.lifetime));
    if (index < 0 || text.every(({ offsets }) => offsets[index] === undefined)) return;
    await loaded.write(
      { rank: 0, name, ...(microbatch === undefined ? {} : { microbatch }) },
      encode(values[index].type.dtype, numbers),
    );
  };
  const scalars = { ...adamwScalars(optimizer, step, steps), seed: 5, step };
  for (const [name, number] of Object.entries(scalars)) await write(name, [number]);
  const { sequence, vocab } = draw.sizes;
  const count = draw.logical * draw.batch * sequence;
  for (let microbatch = 0; microbatch < schedule.microbatches; microbatch++) {
    const at = (i: number) => hash(1 + i + count * (microbatch + schedule.microbatches * step)) % vocab;
    await write(
      'tokens',
      Array.from({ length: count }, (_, i) => at(i)),
      microbatch,
    );
    // Every eleventh is padding.
    await write(
      'labels',
      Array.from({ length: count }, (_, i) => (i % 11 === 10 ? -1 : at(i + 1))),
      microbatch,
    );
    await write('microbatch', [microbatch], microbatch);
  }
}

async function readResult(loaded: LoadedProgram, name: string): Promise<Float64Array> {
  const [{ values, results }] = loaded.program.classes;
  return decode(values[results[name]].type.dtype, await loaded.read({ rank: 0, name }));
}

function startOf(model: LanguageModel, name: string): Float32Array {
  const { init, type } = describeParameters(model).find((parameter) => parameter.name === name)!;
  return initialValues(init, { seed: 1, name }, 0, elementsOf(type));
}

function hash(x: number): number {
  let h = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return (h ^ (h >>> 15)) >>> 0;
}
