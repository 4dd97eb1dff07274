/** Bounds hold whatever is trained, and a refusal names a change that fits. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { modelOf } from '../../config/model_objects.js';
import { resolveConfig } from '../../config/resolve.js';
import type { TrainConfig, TrainOptions } from '../../config/schema.js';
import { DiagnosticError } from '../../ir/diagnostic.js';
import { elementsOf } from '../../ir/type.js';
import { describeParameters } from '../../nn/trace.js';
import { zeroStages } from '../../plan/plan.js';
import { choosePlan, ranksOfConfig } from '../choose_plan.js';
import { trainEvents, type TrainEvent } from '../events.js';
import { largestOf } from './fitting_change.js';
import { ceilingBytes, floorBytes, forecastBytes, runtimeBytes } from './forecast.js';
import { MemoryGauge } from './gauge.js';
import type { HostMemory } from './host_memory.js';
import { parameterCountOf, type DescribedModel } from './model_size.js';
import { requireMemory, requireStateFits } from './require_memory.js';

const job = { worldSize: null, localRanks: null };
const config = (options: TrainOptions): TrainConfig =>
  resolveConfig({ engine: 'reference', device: 'cpu', data: { tokenizer: { vocab: 300 } }, ...options }).config;

const families = fc.constantFrom('gpt' as const, 'llama' as const, 'mixtral' as const);

test('the parameters of any number of layers, without building them', () => {
  fc.assert(
    fc.property(families, fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 3 }), (family, layers, heads) => {
      const { model } = config({ model: { family, layers, heads, dim: 8 * heads, context: 8 } });
      const built = describeParameters(modelOf(model, 300)!);
      const counted = built.reduce((sum, { type }) => sum + elementsOf(type), 0);
      expect(parameterCountOf(model as DescribedModel, 300)).toBe(counted);
    }),
  );
});

test('floor ≤ what is compiled ≤ ceiling', () => {
  const sizes = fc.constantFrom([1, 1, 1], [2, 1, 1], [1, 2, 1], [1, 1, 2], [2, 1, 2], [2, 2, 1]);
  fc.assert(
    fc.property(
      families,
      sizes,
      fc.constantFrom(1, 2, 4),
      fc.constantFrom('bf16' as const, 'f32' as const),
      fc.constantFrom(...zeroStages),
      (family, [data, tensor, stages], microbatch, precision, zeroStage) => {
        const options = config({
          model: { family, layers: 2, heads: 2, dim: 16, context: 8 },
          batch: { sequences: 8, microbatch },
          precision,
          plan: {
            data_parallel_size: data,
            tensor_parallel_size: tensor,
            pipeline_parallel_size: stages,
            zero_stage: zeroStage,
          },
        });
        const model = modelOf(options.model, 300)!;
        const plan = choosePlan(options, model, null);
        const localRanks = ranksOfConfig(options, null);
        const bytes = forecastBytes({ config: options, model, plan, target: 'reference', localRanks });
        const parameters = parameterCountOf(options.model as DescribedModel, 300);
        const shape = { data, copy: tensor * stages, zeroStage, localRanks };
        expect(floorBytes(parameters, precision, shape)).toBeLessThanOrEqual(bytes);
        expect(bytes).toBeLessThanOrEqual(ceilingBytes(model, plan, localRanks));
      },
    ),
    { numRuns: 6 },
  );
});

test('the largest that fits, nearly: it fits, and what is far above does not', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e6 }), fc.integer({ min: 1, max: 1e6 }), (limit, most) => {
      let asked = 0;
      const found = largestOf(1, most, (value) => (asked++, value <= limit));
      expect(found === null).toBe(limit < 1);
      expect(found ?? 0).toBeLessThanOrEqual(limit);
      if (most <= limit) expect(found).toBe(most);
      expect(asked).toBeLessThanOrEqual(6);
    }),
  );
});

const host = (physicalBytes: number, availableBytes = physicalBytes) => ({ physicalBytes, availableBytes });

function refusal(run: () => void): DiagnosticError {
  try {
    run();
  } catch (error) {
    if (error instanceof DiagnosticError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

/** The configuration with what a refusal offers, all of it. */
function changed(options: TrainOptions, { message }: DiagnosticError): TrainConfig {
  const overrides = [...message.matchAll(/--set (\S+=[^\s;]+)/g)].map(([, text]) => text);
  expect(overrides, message).not.toEqual([]);
  return resolveConfig(
    { engine: 'reference', device: 'cpu', data: { tokenizer: { vocab: 300 } }, ...options },
    { overrides },
  ).config;
}

/** Throws what would keep a configuration from starting. */
function start(resolved: TrainConfig, limit: HostMemory): void {
  requireStateFits(resolved, job, limit);
  const model = modelOf(resolved.model, 300)!;
  const plan = choosePlan(resolved, model, null);
  requireMemory({ config: resolved, model, plan, host: limit, events: trainEvents(), ...job });
}

test('a vocabulary of a thousand million rows is refused at once, with the numbers; overcommit goes on', () => {
  const options = { model: { family: 'gpt', layers: 1, dim: 384, vocab: 1e9 } } as const;
  const error = refusal(() => requireStateFits(config(options), job, host(24e9)));
  expect(error.code).toBe('train/memory-exceeded');
  // 1e9 rows of 384 features, three values of four bytes each, for both of the ranks that there are by default.
  expect(error.message).toContain('at least 9.22 TB');
  expect(error.message).toContain('24.0 GB');
  expect(error.message).toContain('model.vocab=');
  start(changed(options, error), host(24e9));
  requireStateFits(config({ ...options, overcommit: true }), job, host(24e9));
});

test('layers: a number that fits with its activations is named', () => {
  const options = { model: { family: 'llama', layers: 1000, dim: 64, heads: 2, context: 64 } } as const;
  const limit = host(2 * runtimeBytes + 60e6);
  const error = refusal(() => requireStateFits(config(options), job, limit));
  expect(error.message).toContain('model.layers=');
  start(changed(options, error), limit);
});

test('many ranks: the bytes are said to be their processes’, and fewer are offered that fit', () => {
  const options: TrainOptions = { model: { family: 'gpt', layers: 1, dim: 16, heads: 2, context: 8 }, ranks: 200 };
  const error = refusal(() => requireStateFits(config(options), job, host(24e9)));
  expect(error.message).toMatch(/50\.0 GB for the processes of 200 ranks here, 250 MB each/);
  expect(error.message).toMatch(/--set ranks=\d+/);
  start(changed(options, error), host(24e9));
  const sizes = { model: options.model, plan: { data_parallel_size: 200 } };
  const sized = refusal(() => requireStateFits(config(sizes), job, host(24e9)));
  start(changed(sizes, sized), host(24e9));
});

test('a machine too small for anything says that nothing that was tried fits', () => {
  const error = refusal(() =>
    requireStateFits(config({ model: { family: 'gpt', layers: 1, dim: 8, heads: 1, context: 8 } }), job, host(1e6)),
  );
  expect(error.message).toContain('no one change');
  expect(error.message).not.toContain('--set');
});

test('activations: a smaller microbatch that fits is named, and does fit', () => {
  const options: TrainOptions = {
    model: { family: 'gpt', layers: 2, dim: 16, heads: 2, context: 64 },
    batch: { sequences: 64, microbatch: 64 },
    ranks: 1,
    precision: 'f32',
  };
  const request = (changed: TrainOptions) => {
    const resolved = config(changed);
    const model = modelOf(resolved.model, 300)!;
    return { config: resolved, model, plan: choosePlan(resolved, model, null), events: trainEvents(), ...job };
  };
  const all = request(options);
  const bytes = forecastBytes({ ...all, target: 'reference', localRanks: 1 });
  const limit = host(runtimeBytes + (bytes - runtimeBytes) * 0.7);
  const error = refusal(() => requireMemory({ ...all, host: limit }));
  const microbatch = Number(/--set batch\.microbatch=(\d+)/.exec(error.message)![1]);
  expect(microbatch).toBe(32);
  requireMemory({ ...request({ ...options, batch: { sequences: 64, microbatch } }), host: limit });

  const told: TrainEvent[] = [];
  all.events.subscribe((event) => told.push(event));
  requireMemory({ ...all, host: host(2 * bytes, bytes - 1) });
  requireMemory({ ...all, config: { ...all.config, overcommit: true }, host: limit });
  expect(told.map((event) => event.kind === 'warning' && event.code)).toEqual([
    'train/memory-tight',
    'train/memory-tight',
  ]);
});

test('what is measured is never negative, and nothing where it would be noise', () => {
  let now = 500e6;
  const gauge = new MemoryGauge(() => now, 100e6);
  now = 498e6;
  expect([gauge.sample(), gauge.peak]).toEqual([null, null]);
  now = 600e6;
  expect([gauge.sample(), gauge.peak]).toEqual([100e6, 100e6]);
  now = 590e6;
  expect([gauge.sample(), gauge.peak]).toEqual([90e6, 100e6]);
  const small = new MemoryGauge(() => (now += 1e6), 1e6);
  expect(small.sample()).toBeNull();
});
