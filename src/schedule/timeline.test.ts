import fc from 'fast-check';
import { expect, test } from 'vitest';
import { defaultVirtualStages, generateSchedule, scheduleKinds } from './kinds.js';
import { backward, forward, slotName, weight, type ScheduleTable, type Slot } from './slot.js';
import { secondsByDirection, timeline } from './timeline.js';

const [F, B, W] = [forward, backward, weight];

test('1f1b on two groups, by hand', () => {
  const table = [
    [F(0, 0), F(0, 1), B(0, 0), B(0, 1)],
    [F(1, 0), B(1, 0), F(1, 1), B(1, 1)],
  ];
  const { seconds, groups } = timeline(table, {
    seconds: secondsByDirection(table, { forward: 1, backward: 1, weight: 1 }),
  });
  expect(seconds).toBe(9);
  expect(groups.map(({ slots }) => slots.map(({ slot, begin, end }) => [slotName(slot), begin, end]))).toEqual([
    [
      ['0F0', 0, 1],
      ['0F1', 1, 2],
      ['0B0', 4, 6],
      ['0B1', 7, 9],
    ],
    [
      ['1F0', 1, 2],
      ['1B0', 2, 4],
      ['1F1', 4, 5],
      ['1B1', 5, 7],
    ],
  ]);
  expect(
    groups.map(({ busySeconds, bubbleSeconds, idleSeconds }) => [busySeconds, bubbleSeconds, idleSeconds]),
  ).toEqual([
    [6, 3, 3],
    [6, 3, 0],
  ]);
});

test('a message takes time between groups, and none on one', () => {
  const table = [
    [F(0, 0), F(1, 0), B(1, 0), B(0, 0)],
    [F(2, 0), B(2, 0)],
  ];
  expect(timeline(table, { seconds: () => 1, message: 10 }).seconds).toBe(26);
  expect(timeline(table, { seconds: () => 1 }).seconds).toBe(6);
});

test('woven slots take the sum, begin when all that either needs is done, and end together', () => {
  const table: ScheduleTable = [
    [F(0, 0), F(0, 1), { woven: [F(0, 2), B(0, 0)] }, B(0, 1), B(0, 2)],
    [F(1, 0), B(1, 0), F(1, 1), B(1, 1), F(1, 2), B(1, 2)],
  ];
  const { groups } = timeline(table, { seconds: ({ direction }) => (direction === 'forward' ? 1 : 2) });
  const woven = groups[0].slots.filter(({ wovenWith }) => wovenWith);
  expect(woven).toEqual([
    { slot: F(0, 2), begin: 4, end: 7, wovenWith: B(0, 0) },
    { slot: B(0, 0), begin: 4, end: 7, wovenWith: F(0, 2) },
  ]);
  // While they run, both microbatches' activations are alive, in whatever order they are named.
  expect(groups[0].peakToBackward).toBe(3);
  const turned = table.map((order) =>
    order.map((entry) => ('woven' in entry ? { woven: [entry.woven[1], entry.woven[0]] as const } : entry)),
  );
  expect(timeline(turned, { seconds: () => 1 }).groups[0].peakToBackward).toBe(3);
});

test('activations of a split backward live to the end of its weight slot by one convention, and by the other not', () => {
  const table = [[F(0, 0), B(0, 0), F(0, 1), B(0, 1), W(0, 0), W(0, 1)]];
  const [group] = timeline(table, { seconds: () => 1 }).groups;
  expect([group.peakToBackward, group.peakToWeight]).toEqual([1, 2]);
});

test('a table that does not complete is refused', () => {
  expect(() => timeline([[B(0, 0), F(0, 0)]], { seconds: () => 1 })).toThrow('schedule/deadlock');
});

test('a table that lacks what a slot needs is refused', () => {
  expect(() => timeline([[B(0, 0)]], { seconds: () => 1 })).toThrow('lacks 0F0 [schedule/slot-missing]');
});

test('a table without groups, and a group without work', () => {
  expect(timeline([], { seconds: () => 1 })).toEqual({ seconds: 0, groups: [] });
  const { seconds, groups } = timeline([[F(0, 0), B(0, 0)], []], { seconds: () => 1 });
  expect(seconds).toBe(2);
  expect(groups[1]).toMatchObject({ busySeconds: 0, bubbleSeconds: 2, idleSeconds: 0, peakToBackward: 0 });
});

test('of any schedule, with any durations: no slot begins before what it needs, none overlaps, and none could begin earlier', () => {
  const scenario = fc.record({
    kind: fc.constantFrom(...scheduleKinds.values()),
    groups: fc.integer({ min: 1, max: 5 }),
    more: fc.nat(8),
    message: fc.nat(3),
    salt: fc.nat(),
  });
  fc.assert(
    fc.property(scenario, ({ kind, groups, more, message, salt }) => {
      const chunks = groups * defaultVirtualStages(kind);
      const table = generateSchedule(kind.name, {
        groups,
        virtualStages: defaultVirtualStages(kind),
        microbatches: kind.leastMicrobatches(groups) + more,
      });
      const seconds = ({ chunk, direction, microbatch }: Slot) =>
        ((chunk * 7 + microbatch * 3 + direction.length * 5 + salt) % 4) + 1;
      const timed = timeline(table, { seconds, message });
      const at = new Map(
        timed.groups.flatMap(({ slots }, group) =>
          slots.map((slot) => [slotName(slot.slot), { ...slot, group }] as const),
        ),
      );
      timed.groups.forEach(({ slots, busySeconds, bubbleSeconds }, group) => {
        let free = 0;
        for (let i = 0; i < slots.length;) {
          const entry = slots[i].wovenWith ? slots.slice(i, i + 2) : [slots[i]];
          const needs = entry.flatMap(({ slot: { chunk, direction, microbatch } }) => [
            ...(direction === 'forward' && chunk > 0 ? [F(chunk - 1, microbatch)] : []),
            ...(direction === 'backward' && chunk + 1 < chunks ? [B(chunk + 1, microbatch)] : []),
            ...(direction === 'backward' ? [F(chunk, microbatch)] : []),
            ...(direction === 'weight' ? [B(chunk, microbatch)] : []),
          ]);
          const ready = needs
            .map((slot) => at.get(slotName(slot))!)
            .map((n) => n.end + (n.group === group ? 0 : message));
          expect(entry[0].begin).toBe(Math.max(free, ...ready));
          expect(entry[0].end - entry[0].begin).toBe(entry.reduce((sum, { slot }) => sum + seconds(slot), 0));
          free = entry[0].end;
          i += entry.length;
        }
        expect(busySeconds + bubbleSeconds).toBe(timed.seconds);
      });
    }),
    { numRuns: Number(process.env.RUNS ?? 100) },
  );
});
