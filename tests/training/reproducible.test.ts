/** Runs that are reproducible leave the same losses and the same weights, bit for bit, under any plan that shares microbatches alike. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import type { TrainOptions } from '../../src/config/schema.js';
import { testOfRanks } from '../../src/engine/native/testing/tests_by_device.js';
import type { DiagnosticError } from '../../src/ir/diagnostic.js';
import type { PlannedAssignments } from '../../src/plan/plan.js';
import { trainFile } from '../../src/launch/train.js';
import { readMetrics } from '../../src/observe/index.js';
import { StartedRun } from '../fuzz/started_run.js';
import { flotillaFirst, flotillaLibrary, flotillaMain } from '../setup/built.js';
import { onNative, onReference, surroundings, Workplace } from './tiny_run.js';

const work = new Workplace();
afterAll(() => work.remove());

const steps = 3;
type Sizes = Exclude<TrainOptions['plan'], string | undefined>;
type Place = typeof onNative | typeof onReference;

type Run = Place & Pick<TrainOptions, 'ranks' | 'plan' | 'precision' | 'reproducible' | 'steps'>;

const own = readFileSync(new URL('reproducible_model.ts', import.meta.url), 'utf8');

/** The module of the model, which imports the library of the sources or the one that is built: ranks run that one. */
function moduleIn({ engine }: Place): string {
  const library = engine === 'native' ? flotillaLibrary : fileURLToPath(new URL('../../src/index.ts', import.meta.url));
  return own.replace("'../../src/index.js'", JSON.stringify(library));
}

/** Trains the model of `reproducible_model.ts`; gives losses, and a hash of each tensor of the state. */
async function trained(name: string, run: Run) {
  const options = work.options(name, {
    reproducible: true,
    batch: { sequences: 8, microbatch: 2 },
    optimizer: { lr: 1e-2, warmup_steps: 1, clip_grad_norm: 0.3 },
    evaluation: { every_steps: 1, batches: 1 },
    steps,
    ...run,
  });
  const file = work.file(`${name}.mts`);
  writeFileSync(file, `${moduleIn(run)}\nexport default { ...${JSON.stringify(options)}, model };\n`);
  if (run.engine === 'native') {
    const started = new StartedRun(process.execPath, ['--import', flotillaFirst, flotillaMain, 'train', file], file);
    expect((await started.ended).status, started.output).toBe(0);
  } else await trainFile(surroundings, file, { trust_code: true });
  const losses = readMetrics(work.file('runs', name, 'metrics.jsonl')).flatMap(({ kind, step, loss, terms }) =>
    kind === 'step' || kind === 'validation' ? [[kind, step, loss, terms]] : [],
  );
  return { losses, state: work.tensorHashes(name, run.steps ?? steps) };
}

const plans: Readonly<Record<string, readonly [ranks: number, plan: Sizes]>> = {
  'data 2': [2, { data_parallel_size: 2 }],
  'data 3, stage 2': [3, { data_parallel_size: 3, zero_stage: 2, bucket_bytes: 1000 }],
  'data 4, stage 3 in shards of 2': [4, { data_parallel_size: 4, zero_stage: 3, shard_size: 2 }],
  'pipeline 2': [2, { pipeline_parallel_size: 2 }],
  'data 2, pipeline 2, stage 1': [4, { data_parallel_size: 2, pipeline_parallel_size: 2, zero_stage: 1 }],
};

const only = (...names: readonly string[]): typeof plans =>
  Object.fromEntries(names.map((name) => [name, plans[name]]));

const more: typeof plans = {
  'data 3': [3, { data_parallel_size: 3 }],
  'data 4, stage 1': [4, { data_parallel_size: 4, zero_stage: 1 }],
  'pipeline 3, zero bubbles': [3, { pipeline_parallel_size: 3, pipeline_schedule: 'zb-h1' }],
  'data 2, pipeline 2 interleaved': [
    4,
    { data_parallel_size: 2, pipeline_parallel_size: 2, pipeline_schedule: 'interleaved', virtual_stages: 2 },
  ],
  'pipeline 2, all made again': [2, { pipeline_parallel_size: 2, activation_checkpoint: 'full' }],
};

describe.each([
  ['virtual ranks', 'bf16', onReference, { ...plans, ...more }],
  ['processes', 'f32', onNative, only('data 2', 'data 3, stage 2', 'data 2, pipeline 2, stage 1')],
  ['processes', 'bf16', onNative, only('data 3, stage 2', 'data 4, stage 3 in shards of 2', 'pipeline 2')],
] as const)('on %s, in %s', (where, precision, place, tried) => {
  const name = (plan: string) => `${where} ${precision} ${plan}`.replace(/\W+/g, '-');
  const serial = memo(() => trained(name('serial'), { ...place, precision }));
  for (const [plan, [ranks, sizes]] of Object.entries(tried)) {
    const testOf = place === onNative ? testOfRanks(ranks) : test;
    testOf(plan, async () => {
      expect(await trained(name(plan), { ...place, precision, ranks, plan: sizes })).toEqual(await serial());
    });
  }
});

/** Ranks that share microbatches: what they leave is their own, and the same whoever else there is. */
describe.each<[string, number, Sizes]>([
  ['tensor 2', 2, { tensor_parallel_size: 2 }],
  ['tensor 2, sequence', 2, { tensor_parallel_size: 2, sequence_parallel: true }],
  ['a ring of 3', 3, { context_parallel_size: 3, context_parallel_method: 'ring' }],
  ['experts 2', 2, { data_parallel_size: 2, expert_parallel_size: 2 }],
])('%s on virtual ranks', (shared, ranks, plan) => {
  const run = { ...onReference, precision: 'bf16' } as const;
  const name = (which: string) => `${shared} ${which}`.replace(/\W+/g, '-');
  const alone = memo(() => trained(name('alone'), { ...run, ranks, plan }));
  test.each<[string, number, Sizes]>([
    ['data', 2, { data_parallel_size: 2 * (plan.data_parallel_size ?? 1), zero_stage: 1 }],
    ['pipeline', 2, { pipeline_parallel_size: 2, pipeline_schedule: 'zb-h1' }],
  ])('beside %s', async (_, times, more) => {
    const found = await trained(name(_), { ...run, ranks: ranks * times, plan: { ...plan, ...more } });
    expect(found).toEqual(await alone());
  });
});

test('a run goes on under other data-parallel and pipeline sizes as if nothing had changed', async () => {
  const run = { ...onReference, precision: 'bf16' } as const;
  const through = await trained('through', run);
  await trained('changed', { ...run, steps: 1 });
  await work.resume(
    'changed',
    [`steps=${steps}`, 'ranks=4', 'plan.data_parallel_size=2', 'plan.pipeline_parallel_size=2'],
    {
      trust_code: true,
    },
  );
  expect(work.tensorHashes('changed', steps)).toEqual(through.state);
});

test.each([
  ['other tensor ranks', ['ranks=2', 'plan.tensor_parallel_size=2'], 'plan/shared-otherwise'],
  ['sums that round', ['ranks=2', 'plan.data_parallel_size=2', 'reduce_dtype=bf16'], 'plan/contradiction'],
  ['addends that round', ['grad_dtype=bf16'], 'plan/contradiction'],
])('it does not go on with %s', async (what, overrides, code) => {
  const name = what.replace(/\W+/g, '-');
  await trained(name, { ...onReference, precision: 'bf16', steps: 1 });
  const error = await work
    .resume(name, ['steps=2', ...overrides], { trust_code: true })
    .catch((thrown: unknown) => thrown as DiagnosticError);
  expect(error).toMatchObject({ code });
});

test('a plan in which ranks share the sequences of a microbatch is refused', async () => {
  const batch = { sequences: 8, microbatch: 8 };
  const run = { ...onReference, reproducible: true, batch, ranks: 4, plan: { data_parallel_size: 4 } };
  const error = await work.train('shared', run).catch((thrown: unknown) => thrown as DiagnosticError);
  expect(error).toMatchObject({ code: 'plan/contradiction' });
  expect((error as DiagnosticError).message).toContain('share the sequences of a logical microbatch');
});

describe('a plan file whose assignments are', () => {
  const name = 'shared by tensor ranks';
  const run = { ...onReference, ranks: 4, steps: 1 };
  const plan = { data_parallel_size: 2, tensor_parallel_size: 2 };
  const first = memo(() => trained(name, { ...run, plan }));

  /** Trains by the resolved plan of that run with assignments exchanged. */
  async function trainedBy(which: string, change: (assignments: PlannedAssignments) => PlannedAssignments) {
    await first();
    const text = readFileSync(work.file('runs', name, 'plan.resolved.json'), 'utf8');
    const { assignments, ...others } = JSON.parse(text) as { assignments: PlannedAssignments };
    const file = work.file(`${which}.json`);
    writeFileSync(file, JSON.stringify({ ...others, assignments: change(assignments) }));
    return trained(which, { ...run, plan: file });
  }

  test('those that were chosen gives the same', async () => {
    expect(await trainedBy('as chosen', (assignments) => assignments)).toEqual(await first());
  });

  test.each<[string, string, Record<string, string>]>([
    [
      'not split as the ranks of a microbatch would',
      'blocks.*.norm1/rms_norm.0',
      { microbatch: 'data', batch: 'tensor' },
    ],
    ['of several microbatches on a rank', 'blocks.*.norm1/rms_norm.0', {}],
  ])('%s is refused', async (which, node, split) => {
    const error = await trainedBy(which, (assignments) => {
      expect(assignments).toHaveProperty([node]);
      return { ...assignments, [node]: { split } };
    }).catch((thrown: unknown) => thrown as DiagnosticError);
    expect(error).toMatchObject({ code: 'partition/illegal-assignment' });
    expect((error as DiagnosticError).message).toContain('reproducible');
  });
});

test('what is too large for its sums is told as such, where another run goes on', async () => {
  const wild = { optimizer: { lr: 1e3, warmup_steps: 0, schedule: 'constant' }, steps: 2 } as const;
  const { summary } = await work.train('wild', wild);
  expect(summary?.trainingLoss).toBeGreaterThan(1024);
  const error = await work.train('held', { ...wild, reproducible: true }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'train/loss-not-finite' });
  expect((error as DiagnosticError).message).toContain('16 in an element of a gradient, or 1024 in a loss');
});

test('a run that is not so follows its plan', async () => {
  const run = { ...onReference, precision: 'f32', reproducible: false } as const;
  const one = await trained('one', run);
  const two = await trained('two', { ...run, ranks: 2, plan: { data_parallel_size: 2 } });
  expect(two.state).not.toEqual(one.state);
});

function memo<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}
