import * as fc from 'fast-check';
import { afterAll, expect } from 'vitest';
import { dtypeBytes, type DType } from '../../ir/dtype.js';
import type { AddonEngine } from './bridge.js';
import type { CollectiveLaunch, LaunchList } from './loaded_program.js';
import { openRanks, readBytes, runRanks } from './testing/ranks.js';
import { testOfRanks, type Declare } from './testing/tests_by_device.js';
import { collective, decode, encode, fill, view } from './testing/views.js';

// Every collective against its meaning, computed here: uneven and empty blocks, groups that are a part of the world, all dtypes.
// Values are small integers, so that every dtype holds every sum exactly, in any order.

const world = 4;
const inputAt = 0;
const outputAt = 1 << 14;
const scratchAt = 1 << 15;
let engines: AddonEngine[] = [];
afterAll(() => engines.forEach((engine) => engine.close()));

/** A test of the world of four, which meets for the first of them. */
const testOfWorld: Declare = (name, body) =>
  testOfRanks(world)(name, async () => {
    if (engines.length === 0) engines = await openRanks(world, 1 << 16);
    await body();
  });

const dtype = fc.constantFrom<DType>('f64', 'f32', 'bf16', 'i64', 'i32');
const ranks = fc.constantFrom([0, 1, 2, 3], [0, 2, 3], [3, 1], [1]);
const counts = (members: number) =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: members, maxLength: members });

/** Runs one collective in a group; members' inputs by group rank in, outputs out. Outputs start as 99. */
async function run(
  group: readonly number[],
  dtype: DType,
  inputs: readonly number[][],
  outputLengths: readonly number[],
  launch: (member: number, input: number, output: number) => CollectiveLaunch,
): Promise<number[][]> {
  const width = dtypeBytes[dtype];
  for (const [member, rank] of group.entries()) {
    const before = new Array<number>(outputLengths[member]).fill(99);
    await engines[rank].write(inputAt, encode(dtype, inputs[member]));
    await engines[rank].write(outputAt, encode(dtype, before));
  }
  await runRanks(engines, (rank): LaunchList => {
    const member = group.indexOf(rank);
    if (member < 0) return { groups: [], launches: [] };
    return {
      groups: [{ id: 0, ranks: group }],
      launches: [launch(member, inputs[member].length, outputLengths[member]), { kind: 'wait', event: 0, at: 'test' }],
    };
  });
  return Promise.all(
    group.map(async (rank, member) =>
      decode(dtype, await readBytes(engines[rank], outputAt, outputLengths[member] * width)),
    ),
  );
}

/** Member m's i-th value: unlike any other's, and small. */
const value = (member: number, i: number) => ((7 * member + 3 * i) % 11) - 5;
const values = (member: number, length: number) => Array.from({ length }, (_, i) => value(member, i));
const starts = (sizes: readonly number[]) => sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b, 0));
const sum = (sizes: readonly number[]) => sizes.reduce((a, b) => a + b, 0);
const reduce = (reduction: 'sum' | 'max', all: readonly number[][]) =>
  all[0].map((_, i) => (reduction === 'sum' ? sum(all.map((one) => one[i])) : Math.max(...all.map((one) => one[i]))));
const some = { numRuns: 25 };

testOfWorld('all_reduce gives every member the sum or the maximum of all', async () => {
  const law = fc.asyncProperty(
    ranks,
    dtype,
    fc.integer({ min: 0, max: 40 }),
    fc.constantFrom('sum', 'max'),
    async (group, dtype, n, reduction) => {
      const inputs = group.map((_, member) => values(member, n));
      const outputs = await run(
        group,
        dtype,
        inputs,
        group.map(() => n),
        () =>
          collective('all_reduce', view(dtype, inputAt, n), view(dtype, outputAt, n), {
            reduction: reduction as 'sum' | 'max',
          }),
      );
      expect(outputs).toEqual(group.map(() => reduce(reduction as 'sum' | 'max', inputs)));
    },
  );
  await fc.assert(law, some);
});

testOfWorld('all_gather gives every member the blocks of all, in order, also uneven ones', async () => {
  const law = fc.asyncProperty(
    ranks.chain((group) => fc.tuple(fc.constant(group), counts(group.length))),
    dtype,
    async ([group, blocks], dtype) => {
      const inputs = blocks.map((n, member) => values(member, n));
      const outputs = await run(
        group,
        dtype,
        inputs,
        group.map(() => sum(blocks)),
        (_, input, output) =>
          collective('all_gather', view(dtype, inputAt, input), view(dtype, outputAt, output), {
            outputCounts: blocks,
          }),
      );
      expect(outputs).toEqual(group.map(() => inputs.flat()));
    },
  );
  await fc.assert(law, some);
});

testOfWorld('reduce_scatter gives each member its block of the sum or the maximum, also uneven ones', async () => {
  const law = fc.asyncProperty(
    ranks.chain((group) => fc.tuple(fc.constant(group), counts(group.length))),
    dtype,
    fc.constantFrom<'sum' | 'max'>('sum', 'max'),
    async ([group, blocks], dtype, reduction) => {
      const inputs = group.map((_, member) => values(member, sum(blocks)));
      const outputs = await run(group, dtype, inputs, blocks, (_, input, output) =>
        collective('reduce_scatter', view(dtype, inputAt, input), view(dtype, outputAt, output), {
          reduction,
          inputCounts: blocks,
          scratch: { offset: scratchAt, bytes: (group.length - 1) * output * dtypeBytes[dtype] },
        }),
      );
      const all = reduce(reduction, inputs);
      expect(outputs).toEqual(starts(blocks).map((start, member) => all.slice(start, start + blocks[member])));
    },
  );
  await fc.assert(law, some);
});

testOfWorld('all_to_all gives each member its block of every member, also uneven ones', async () => {
  const table = ranks.chain((group) =>
    fc.tuple(fc.constant(group), fc.array(counts(group.length), { minLength: group.length, maxLength: group.length })),
  );
  const law = fc.asyncProperty(table, dtype, async ([group, sent], dtype) => {
    const received = group.map((_, to) => sent.map((row) => row[to]));
    const inputs = sent.map((row, member) => values(member, sum(row)));
    const outputs = await run(group, dtype, inputs, received.map(sum), (member, input, output) =>
      collective('all_to_all', view(dtype, inputAt, input), view(dtype, outputAt, output), {
        inputCounts: sent[member],
        outputCounts: received[member],
      }),
    );
    expect(outputs).toEqual(
      group.map((_, to) => sent.flatMap((row, from) => inputs[from].slice(starts(row)[to], starts(row)[to] + row[to]))),
    );
  });
  await fc.assert(law, some);
});

testOfWorld('broadcast gives every member the root’s value', async () => {
  for (const [group, root] of [
    [[0, 1, 2, 3], 2],
    [[3, 1], 0],
    [[1], 0],
  ] as const) {
    const inputs = group.map((_, member) => values(member, 13));
    const outputs = await run(
      group,
      'f32',
      inputs,
      group.map(() => 13),
      () => collective('broadcast', view('f32', inputAt, 13), view('f32', outputAt, 13), { root }),
    );
    expect(outputs).toEqual(group.map(() => inputs[root]));
  }
});

testOfWorld('permute moves values along a ring, and leaves the output of a member that nobody sends to', async () => {
  const group = [0, 1, 2, 3];
  const inputs = group.map((_, member) => values(member, 5));
  const ring = await run(group, 'f32', inputs, [5, 5, 5, 5], (member) =>
    collective('permute', view('f32', inputAt, 5), view('f32', outputAt, 5), {
      peers: { to: (member + 1) % 4, from: (member + 3) % 4 },
    }),
  );
  expect(ring).toEqual([inputs[3], inputs[0], inputs[1], inputs[2]]);
  const chain = await run(group, 'f32', inputs, [5, 5, 5, 5], (member) =>
    collective('permute', view('f32', inputAt, 5), view('f32', outputAt, 5), {
      peers: { to: member < 3 ? member + 1 : null, from: member > 0 ? member - 1 : null },
    }),
  );
  expect(chain).toEqual([[99, 99, 99, 99, 99], inputs[0], inputs[1], inputs[2]]);
});

testOfWorld('reduce_scatter and all_gather work in place on a member’s own block', async () => {
  const n = 6;
  for (let rank = 0; rank < world; rank++) await engines[rank].write(inputAt, encode('f32', values(rank, world * n)));
  await runRanks(engines, (rank) => {
    const whole = view('f32', inputAt, world * n);
    const own = view('f32', inputAt + 4 * n * rank, n);
    return {
      groups: [{ id: 0, ranks: [0, 1, 2, 3] }],
      launches: [
        collective('reduce_scatter', whole, own, { scratch: { offset: scratchAt, bytes: 3 * 4 * n } }),
        { kind: 'wait', event: 0, at: 'test' },
        collective('all_gather', own, whole, { event: 1 }),
        { kind: 'wait', event: 1, at: 'test' },
      ],
    };
  });
  const expected = reduce(
    'sum',
    Array.from({ length: world }, (_, rank) => values(rank, world * n)),
  );
  for (const engine of engines)
    expect(decode('f32', await readBytes(engine, inputAt, 4 * world * n))).toEqual(expected);
});

testOfWorld('a reduce_scatter is refused that has no room for the blocks of the others', async () => {
  const [input, output] = [view('f32', inputAt, 8), view('f32', outputAt, 2)];
  for (const scratch of [null, { offset: scratchAt, bytes: 3 * 8 - 1 }]) {
    const launches = [collective('reduce_scatter', input, output, { scratch })];
    const groups = [{ id: 0, ranks: [0, 1, 2, 3] }];
    const loads = await Promise.allSettled(engines.map((engine) => engine.load({ groups, launches })));
    const said = `it needs 24 bytes of scratch, and is given ${scratch?.bytes ?? 0}`;
    for (const load of loads) {
      const reason: unknown = load.status === 'rejected' ? load.reason : null;
      expect(reason).toMatchObject({ code: 'engine/program-invalid', diagnostic: { why: `launch 0: ${said}` } });
    }
  }
});

testOfWorld('a reduced value has the same bits on every member, and again in the next run', async () => {
  const n = 1000;
  const real = (rank: number) =>
    Array.from({ length: n }, (_, i) => Math.sin(1 + i * (rank + 0.37)) * 10 ** ((i % 7) - 3));
  const bits: string[] = [];
  for (const dtype of ['f32', 'bf16'] as const) {
    for (let repetition = 0; repetition < 3; repetition++) {
      const inputs = Array.from({ length: world }, (_, rank) => real(rank));
      const outputs = await run([0, 1, 2, 3], dtype, inputs, [n, n, n, n], () =>
        collective('all_reduce', view(dtype, inputAt, n), view(dtype, outputAt, n)),
      );
      bits.push(...outputs.map((one) => `${dtype} ${one.join()}`));
    }
  }
  expect(new Set(bits).size).toBe(2);
});

testOfWorld('waiting for an event completes what the same lane launched before it', async () => {
  const n = 64;
  for (let rank = 0; rank < world; rank++) await engines[rank].write(inputAt, encode('f32', values(rank, n)));
  await runRanks(engines, () => {
    const first = view('f32', inputAt, n);
    const second = view('f32', inputAt + 4096, n);
    const copy = view('f32', outputAt, n);
    return {
      groups: [{ id: 0, ranks: [0, 1, 2, 3] }],
      launches: [
        collective('all_reduce', first, first, { event: 1 }),
        collective('all_reduce', second, second, { event: 2 }),
        { kind: 'wait', event: 2, at: 'test' },
        { kind: 'copy', from: first, to: copy, at: 'test' },
      ],
    };
  });
  const expected = reduce(
    'sum',
    Array.from({ length: world }, (_, rank) => values(rank, n)),
  );
  for (const engine of engines) expect(decode('f32', await readBytes(engine, outputAt, 4 * n))).toEqual(expected);
});

testOfRanks(2)(
  'communication on what other communication still writes starts when that is complete, also on another lane',
  async () => {
    const large = await openRanks(2, 1 << 25);
    const n = 1 << 20;
    const [a, b, c, d] = [0, 1, 2, 3].map((slot) => view('f32', 4 * n * slot, n));
    const half = (of: number, rank: number) => view('f32', 4 * n * of + 2 * n * rank, n / 2);
    for (let repetition = 0; repetition < 5; repetition++) {
      await runRanks(large, (rank) => ({
        groups: [
          { id: 0, ranks: [0, 1] },
          { id: 1, ranks: [0, 1] },
        ],
        launches: [
          fill(a, rank + 1),
          collective('all_reduce', a, b, { event: 1 }), // 3
          collective('all_reduce', b, b, { event: 2, group: 1 }), // 6, after it
          collective('all_gather', half(1, rank), c, { event: 3 }), // 6, after that
          { kind: 'send', peer: 1 - rank, tag: 0, view: c, event: 4, at: 'test.send' },
          { kind: 'recv', peer: 1 - rank, tag: 0, view: d, event: 5, at: 'test.recv' },
          collective('all_reduce', a, c, { event: 6 }), // overwrites what is sent, after it is sent
        ],
      }));
      for (const engine of large) {
        expect(decode('f32', await readBytes(engine, 12 * n, 4 * n)).every((x) => x === 6)).toBe(true);
        expect(decode('f32', await readBytes(engine, 8 * n, 4 * n)).every((x) => x === 3)).toBe(true);
      }
    }
    large.forEach((engine) => engine.close());
  },
);

testOfWorld('messages of one sender arrive in order, in both directions at once', async () => {
  const arrivals = 64;
  for (let rank = 0; rank < 2; rank++) {
    await engines[rank].write(0, encode('f32', [10 + rank, 20 + rank, 30 + rank, 40 + rank]));
  }
  await runRanks(engines, (rank) => {
    if (rank > 1) return { groups: [], launches: [] };
    const peer = 1 - rank;
    const message = (i: number) => view('f32', 4 * i, 1);
    const arrived = (i: number) => view('f32', arrivals + 4 * i, 1);
    const order = [0, 1, 2, 3];
    return {
      groups: [],
      launches: [
        ...order.map((i) => ({ kind: 'send' as const, peer, tag: i % 2, view: message(i), event: i, at: 'test.send' })),
        ...order.map((i) => ({
          kind: 'recv' as const,
          peer,
          tag: i % 2,
          view: arrived(i),
          event: 10 + i,
          at: 'test.recv',
        })),
        { kind: 'wait', event: 13, at: 'test' },
        { kind: 'wait', event: 3, at: 'test' },
      ],
    };
  });
  for (let rank = 0; rank < 2; rank++) {
    const peer = 1 - rank;
    expect(decode('f32', await readBytes(engines[rank], arrivals, 16))).toEqual([
      10 + peer,
      20 + peer,
      30 + peer,
      40 + peer,
    ]);
  }
});

testOfRanks(1)('alone in its group, a rank gets what it gave', async () => {
  const [alone] = await openRanks(1, 1 << 16);
  try {
    const given = values(0, 13);
    await alone.write(inputAt, encode('f32', given));
    const [input, output] = [inputAt, outputAt].map((at) => view('f32', at, 13));
    const counts = { inputCounts: [13], outputCounts: [13] };
    const launches = [
      collective('all_reduce', input, output),
      collective('all_reduce', input, output, { reduction: 'max' }),
      collective('all_gather', input, output, { outputCounts: [13] }),
      collective('reduce_scatter', input, output, { inputCounts: [13] }),
      collective('all_to_all', input, output, counts),
      collective('broadcast', input, output),
      collective('permute', input, output, { peers: { to: 0, from: 0 } }),
    ];
    for (const launch of launches) {
      await alone.write(outputAt, encode('f32', new Array<number>(13).fill(99)));
      await runRanks([alone], () => ({
        groups: [{ id: 0, ranks: [0] }],
        launches: [launch, { kind: 'wait', event: 0, at: 'test' }],
      }));
      expect(decode('f32', await readBytes(alone, outputAt, 4 * 13)), launch.collective).toEqual(given);
    }
  } finally {
    alone.close();
  }
});
