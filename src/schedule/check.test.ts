import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkSchedule, type ScheduleOf } from './check.js';
import { defaultVirtualStages, generateSchedule, scheduleKinds } from './kinds.js';
import { groupOfChunk } from './placement.js';
import { backward, entryName, forward, slotsOf, weight, type Entry, type ScheduleTable, type Slot } from './slot.js';
import { timeline } from './timeline.js';

const straight = (groups: number, microbatches: number): ScheduleOf => ({
  groups,
  chunks: groups,
  microbatches,
  groupOf: (chunk) => chunk,
});
const [F, B, W] = [forward, backward, weight];
const messages = (table: ScheduleTable, of: ScheduleOf) => checkSchedule(table, of).map(({ message }) => message);
const codes = (table: ScheduleTable, of: ScheduleOf) => checkSchedule(table, of).map(({ code }) => code);

describe('a table is refused that', () => {
  test('deadlocks, with the slots that wait for each other', () => {
    const table = [
      [F(0, 0), B(0, 0), F(0, 1), B(0, 1)],
      [F(1, 0), F(1, 1), B(1, 0), B(1, 1)],
    ];
    expect(messages(table, straight(2, 2))).toEqual([
      `the pipeline schedule does not complete: 0B0 waits for 1B0 behind 1F1, 1F1 waits for 0F1 behind 0B0 [schedule/deadlock]
  why    each group does its slots in order, so these wait for each other for ever
  where  schedule, group 0, slot 1 (0B0 waits for 1B0)
  where  schedule, group 1, slot 2 (1B0)
  where  schedule, group 1, slot 1 (1F1 waits for 0F1)
  where  schedule, group 0, slot 2 (0F1)
  fix    on one of these groups, move the slot that is waited for before the one that waits`,
    ]);
  });

  test('deadlocks on one group alone', () => {
    expect(messages([[B(0, 0), F(0, 0)]], straight(1, 1))[0]).toMatch(
      /^the pipeline schedule does not complete: 0B0 waits for 0F0 behind 0B0 \[schedule\/deadlock\]/,
    );
  });

  test('weaves two slots of which one needs the other', () => {
    expect(messages([[{ woven: [F(0, 0), B(0, 0)] }]], straight(1, 1))[0]).toMatch(
      /does not complete: 0F0\+0B0 waits for 0F0 behind 0F0\+0B0 /,
    );
  });

  test('names only the groups of the ring, and not those that wait for it', () => {
    const table = [
      [F(0, 0), B(0, 0)],
      [F(1, 0), B(1, 0)],
      [B(2, 0), F(2, 0)],
    ];
    expect(messages(table, straight(3, 1))[0]).toMatch(/^the pipeline schedule does not complete: 2B0 waits for/);
    expect(messages(table, straight(3, 1))[0]).not.toContain('group 1');
  });

  test('skips slots', () => {
    const table = [[F(0, 0), B(0, 0)], [F(1, 0)]];
    expect(messages(table, straight(2, 1))).toEqual([expect.stringMatching(/^the pipeline schedule lacks 1B0 \[/)]);
    expect(messages([[], []], straight(2, 8))[0]).toMatch(
      /^the pipeline schedule lacks 0F0, 0B0, 0F1, 0B1, 0F2, 0B2, 0F3, 0B3 and 24 more slots \[schedule\/slot-missing\]/,
    );
  });

  test('has slots twice', () => {
    const table = [[F(0, 0), F(0, 0), B(0, 0), B(0, 0), B(0, 0)]];
    expect(messages(table, straight(1, 1))).toEqual([
      expect.stringMatching(/^the pipeline schedule has 0F0 2 times \[schedule\/slot-twice\].*\(so it is with 1 more/s),
    ]);
  });

  test('names a chunk that the model lacks', () => {
    expect(codes([[F(0, 0), B(0, 0), F(1, 0), B(-1, 0)]], straight(1, 1))).toEqual(['schedule/unknown-chunk']);
  });

  test('names a microbatch that the step lacks', () => {
    const table = [[F(0, 0), B(0, 0), F(0, 1), B(0, 1), F(0, 0.5)]];
    expect(messages(table, straight(1, 1))).toEqual([
      expect.stringMatching(/^.* it has 1, which count from 0 \[schedule\/microbatch-out-of-range\](\n.*){4}$/),
    ]);
  });

  test('runs a chunk on another group than its own', () => {
    const table = [[F(0, 0), B(0, 0), B(1, 0)], [F(1, 0)]];
    expect(messages(table, straight(2, 1))).toEqual([
      expect.stringMatching(
        /runs 1B0 on another group than its chunk's, which is group 1.*where {2}schedule, group 0, slot 2 \(1B0\)/s,
      ),
    ]);
  });

  test('has another number of rows than there are groups', () => {
    expect(codes([[F(0, 0), B(0, 0)], []], straight(1, 1))).toEqual(['schedule/wrong-groups']);
  });

  test('runs a weight slot before its backward, or woven with it', () => {
    expect(messages([[F(0, 0), W(0, 0), B(0, 0)]], straight(1, 1))).toEqual([
      expect.stringMatching(/^the pipeline schedule runs 0W0 before 0B0 is done \[/),
    ]);
    expect(codes([[F(0, 0), { woven: [B(0, 0), W(0, 0)] }]], straight(1, 1))).toEqual([
      'schedule/weight-before-backward',
    ]);
  });

  test('splits the backward of a chunk for some microbatches alone', () => {
    const table = [[F(0, 0), B(0, 0), F(0, 1), B(0, 1), W(0, 1)]];
    expect(messages(table, straight(1, 2))).toEqual([
      expect.stringMatching(/splits the backward of chunk 0 for some microbatches alone: it lacks 0W0 \[/),
    ]);
  });
});

test('a chunk may have its backward split where another has not', () => {
  const table = [
    [F(0, 0), B(0, 0), W(0, 0)],
    [F(1, 0), B(1, 0)],
  ];
  expect(checkSchedule(table, straight(2, 1))).toEqual([]);
});

test('numbers of any size are refused at once', () => {
  const far = 1e15;
  const of = { groups: 1, chunks: 1e9, microbatches: 1e9, groupOf: () => 0 };
  expect(codes([[F(far, far), B(far, 0), W(3, 5)]], of)).toEqual([
    'schedule/unknown-chunk',
    'schedule/microbatch-out-of-range',
    'schedule/slot-missing',
    'schedule/partly-split',
  ]);
});

/** Runs a table by looking again and again at the first slot of each group that is not done. Knows what the paper says, and no code. */
function completes(table: ScheduleTable, chunks: number): boolean {
  const done = new Set<string>();
  const key = (chunk: number, what: string, microbatch: number) => `${what} of ${microbatch} by ${chunk}`;
  const ready = ({ chunk, direction, microbatch }: Slot) => {
    if (direction === 'forward') return chunk === 0 || done.has(key(chunk - 1, 'forward', microbatch));
    if (direction === 'weight') return done.has(key(chunk, 'backward', microbatch));
    const later = chunk === chunks - 1 || done.has(key(chunk + 1, 'backward', microbatch));
    return later && done.has(key(chunk, 'forward', microbatch));
  };
  const left = table.map((order) => [...order]);
  for (let moved = true; moved;) {
    moved = false;
    for (const order of left) {
      if (order.length === 0 || !slotsOf(order[0]).every(ready)) continue;
      for (const { chunk, direction, microbatch } of slotsOf(order.shift()!))
        done.add(key(chunk, direction, microbatch));
      moved = true;
    }
  }
  return left.every((order) => order.length === 0);
}

const mutated = fc
  .record({
    kind: fc.constantFrom(...scheduleKinds.values()),
    groups: fc.integer({ min: 1, max: 4 }),
    more: fc.nat(6),
    mutations: fc.array(
      fc.record({
        what: fc.constantFrom('swap', 'drop', 'twice', 'move', 'weave'),
        from: fc.record({ group: fc.nat(), at: fc.nat() }),
        to: fc.record({ group: fc.nat(), at: fc.nat() }),
        near: fc.boolean(),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  })
  .map(({ kind, groups, more, mutations }) => {
    const virtualStages = defaultVirtualStages(kind);
    const microbatches = kind.leastMicrobatches(groups) + more;
    const table = generateSchedule(kind.name, { groups, virtualStages, microbatches }).map((order) => [...order]);
    for (const { what, from, to, near } of mutations) {
      const [a, b] = [table[from.group % groups], table[(near ? from : to).group % groups]];
      if (a.length === 0 || b.length === 0) continue;
      const i = from.at % a.length;
      const j = near ? Math.min(i + 1, b.length - 1) : to.at % b.length;
      if (what === 'swap') [a[i], b[j]] = [b[j], a[i]];
      else if (what === 'drop') a.splice(i, 1);
      else if (what === 'twice') b.splice(j, 0, a[i]);
      else if (what === 'move') b.splice(near ? i + 1 : to.at % (b.length + 1), 0, ...a.splice(i, 1));
      else if (i + 1 < a.length) {
        const [first, second] = [a[i], a[i + 1]];
        if (!('woven' in first || 'woven' in second)) a.splice(i, 2, { woven: [first, second] });
      }
    }
    const of: ScheduleOf = {
      groups,
      chunks: groups * virtualStages,
      microbatches,
      groupOf: (chunk) => groupOfChunk(kind.placement, groups, chunk),
    };
    return { kind: kind.name, table, of, text: table.map((order) => order.map(entryName).join(' ')) };
  });

test('whatever is done to a table, it is refused, or each slot is there once and it completes', () => {
  let [refused, ran, deadlocks] = [0, 0, 0];
  fc.assert(
    fc.property(mutated, ({ table, of }) => {
      const slots = table.map((order) => order.flatMap(slotsOf));
      const names = slots.flat().map((slot) => entryName(slot));
      const split = (chunk: number) => names.some((name) => name.startsWith(`${chunk}W`));
      const wanted = Array.from({ length: of.chunks }, (_, chunk) =>
        ['F', 'B', ...(split(chunk) ? ['W'] : [])].flatMap((letter) =>
          Array.from({ length: of.microbatches }, (_, m) => `${chunk}${letter}${m}`),
        ),
      ).flat();
      const whole =
        JSON.stringify(names.toSorted()) === JSON.stringify(wanted.toSorted()) &&
        slots.every((order, group) => order.every(({ chunk }) => of.groupOf(chunk) === group));
      const faults = checkSchedule(table, of);
      expect(faults.length === 0, faults.map(String).join('\n')).toBe(whole && completes(table, of.chunks));
      if (faults.length > 0) refused++;
      else {
        ran++;
        const { groups } = timeline(table, { seconds: () => 1 });
        expect(groups.map((group) => group.slots.length)).toEqual(slots.map((order) => order.length));
      }
      if (faults[0]?.code === 'schedule/deadlock') {
        deadlocks++;
        expect(() => timeline(table, { seconds: () => 1 })).toThrow(faults[0].message);
        // The ring that is told stands in the table: each waits for a slot that comes on another group, or later on its own.
        expect(faults[0].diagnostic.where!.length).toBeGreaterThanOrEqual(2);
      }
    }),
    { numRuns: Number(process.env.RUNS ?? 1000) },
  );
  expect(Math.min(refused, ran, deadlocks)).toBeGreaterThan(20);
});

test('the ring of a deadlock is one: without it being broken nothing of it can begin', () => {
  let rings = 0;
  fc.assert(
    fc.property(mutated, ({ table, of }) => {
      const [fault] = checkSchedule(table, of);
      if (fault?.code !== 'schedule/deadlock') return;
      rings++;
      const places = fault.diagnostic.where!.map(({ at, note }) => {
        const [, group, slot] = /group (\d+), slot (\d+)/.exec(at)!.map(Number);
        return { group, position: slot, name: note!.split(' ')[0] };
      });
      for (let i = 0; i < places.length; i += 2) {
        const [waiting, on] = [places[i], places[i + 1]];
        const next = places[(i + 2) % places.length];
        const entryAt = ({ group, position }: typeof on): Entry => table[group][position];
        expect(entryName(entryAt(waiting))).toBe(waiting.name);
        expect(slotsOf(entryAt(on)).map(entryName)).toContain(on.name);
        // The slot waited for comes at or behind where the next of the ring waits, on the same group.
        expect(on.group).toBe(next.group);
        expect(on.position).toBeGreaterThanOrEqual(next.position);
      }
    }),
    { numRuns: Number(process.env.RUNS ?? 300) },
  );
  expect(rings).toBeGreaterThan(5);
});
