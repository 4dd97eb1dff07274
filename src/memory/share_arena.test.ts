import { expect, test } from 'vitest';
import { dtypeBytes } from '../ir/dtype.js';
import { bytesOf } from '../ir/type.js';
import { GPT } from '../nn/models/gpt/gpt.js';
import { ops } from '../ops/index.js';
import { adamw } from '../optim/index.js';
import { describeModel } from '../plan/describe_model.js';
import { planOfSizes } from '../plan/parallel_sizes.js';
import { compileForward, compileTraining } from '../compile/compile.js';
import type { RankClass } from '../program/program.js';
import { arenaBytesOf, shareArena } from './share_arena.js';
import { baseOf } from '../program/place.js';

const model = new GPT({ layers: 1, dim: 8, heads: 2, context: 8, vocab: 12 });
const plan = planOfSizes(
  { tensor_parallel_size: 2 },
  2,
  describeModel(model),
  { sequences: 2, microbatch: 1 },
  { compute: 'f32', master: 'f32' },
);
const request = { model, plan, sequence: 8, registry: ops, target: 'reference' } as const;
const { program: training, placed, persistentBytes } = compileTraining({ ...request, optimizer: adamw({ lr: 1e-3 }) });
const validation = compileForward({ ...request, what: 'loss', buckets: placed.buckets }).program;

/** Bytes of each value that has an address of its own, and of each parameter, in every step of the schedule. */
function ranges({ values, schedule, before }: RankClass) {
  const parameters = new Set(before.values.map(({ at }) => at));
  return schedule.flatMap(({ offsets }) =>
    values.flatMap(({ name, lifetime, type, view, parts }, i) => {
      const base = offsets[baseOf(values, i)];
      if (base === undefined || (view && !parameters.has(i)) || parts) return [];
      const from = base + (view?.offset ?? 0) * dtypeBytes[type.dtype];
      return [{ name, persistent: lifetime === 'persistent', from, to: from + bytesOf(type) }];
    }),
  );
}

test('a validation program finds the parameters where training has them and touches no optimizer state', () => {
  const shared = shareArena(validation, training, persistentBytes);
  shared.classes.forEach((rankClass, i) => {
    const host = ranges(training.classes[i]).filter(({ persistent }) => persistent);
    const parameters = new Set(rankClass.before.values.map(({ at }) => rankClass.values[at].name));
    expect(parameters.size).toBeGreaterThan(5);
    for (const own of ranges(rankClass)) {
      if (parameters.has(own.name))
        expect(host.find(({ name }) => name === own.name)).toMatchObject({ from: own.from });
      else
        for (const other of host)
          expect(own.to <= other.from || own.from >= other.to, `${own.name}, ${other.name}`).toBe(true);
    }
  });
});

test('as compiled alone, its own values would lie over the state', () => {
  const host = ranges(training.classes[0]).filter(({ name }) => name.startsWith('optimizer.'));
  const clash = ranges(validation.classes[0]).some((own) =>
    host.some((other) => own.from < other.to && own.to > other.from),
  );
  expect(clash).toBe(true);
});

test('the arena is as large as the larger program needs', () => {
  const shared = shareArena(validation, training, persistentBytes);
  const bytes = arenaBytesOf([training, shared]);
  for (const { classes } of [training, shared]) {
    for (const rankClass of classes) for (const { to } of ranges(rankClass)) expect(to).toBeLessThanOrEqual(bytes);
  }
});
