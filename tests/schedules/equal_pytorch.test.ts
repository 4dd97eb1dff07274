/** Our generated schedules against those of torch.distributed.pipelining, which record.ts wrote down. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { checkSchedule } from '../../src/schedule/check.js';
import { readScheduleFile, scheduleOf } from '../../src/schedule/file.js';
import { generateSchedule, scheduleKinds } from '../../src/schedule/kinds.js';
import { groupOfChunk } from '../../src/schedule/placement.js';
import { entryName, slotName, type ScheduleTable, type Slot } from '../../src/schedule/slot.js';
import { timeline } from '../../src/schedule/timeline.js';
import { recordedSchedules } from './recorded.js';

const recorded = recordedSchedules();
const text = (table: ScheduleTable) => table.map((order) => order.map(entryName).join(' '));
const titled = recorded.map((one) => {
  const { kind, groups: p, virtualStages: v, microbatches: m } = one;
  return [`${kind}, p ${p}, v ${v}, m ${m}`, one] as const;
});

test('every kind is compared', () => {
  expect(new Set(recorded.map(({ kind }) => kind))).toEqual(new Set(scheduleKinds.keys()));
});

test('PyTorch calls the class of each as the kind says', () => {
  const script = readFileSync(new URL('reference.py', import.meta.url), 'utf8');
  const classes = [...script.matchAll(/'([\w-]+)': schedules\.Schedule(\w+),/g)].map(([, kind, name]) => [kind, name]);
  expect(classes).toEqual([...scheduleKinds.values()].map(({ name, pytorch }) => [name, pytorch]));
});

test.each(titled)('%s: the order of each group is the one of PyTorch', (_title, { kind, rows, ...shape }) => {
  const { table, ignored } = readScheduleFile(rows.join('\n'), 'pytorch.csv');
  expect(text(generateSchedule(kind, shape))).toEqual(text(table));
  expect(ignored).toEqual(['gpipe', '1f1b'].includes(kind) ? ['REDUCE_GRAD'] : []);
});

test.each(titled)(
  '%s: read from the file it is a schedule, placed as the kind says',
  (_title, { kind, rows, ...shape }) => {
    const { table } = readScheduleFile(rows.join('\r\n'), 'pytorch.csv');
    const of = scheduleOf(table);
    const chunks = shape.groups * shape.virtualStages;
    expect(of).toMatchObject({ groups: shape.groups, chunks, microbatches: shape.microbatches });
    const { placement } = scheduleKinds.get(kind)!;
    for (let chunk = 0; chunk < chunks; chunk++)
      expect(of.groupOf(chunk)).toBe(groupOfChunk(placement, shape.groups, chunk));
    expect(checkSchedule(table, of)).toEqual([]);
  },
);

test('zb-v: PyTorch lets each group idle in the cells in which ours does, where all slots take one', () => {
  for (const { rows, ...shape } of recorded.filter(
    ({ kind, groups, microbatches }) => kind === 'zb-v' && microbatches >= 2 * groups,
  )) {
    const { groups } = timeline(generateSchedule('zb-v', shape), { seconds: () => 1 });
    rows.forEach((row, group) => {
      const cells = row.split(',').flatMap((cell, begin) => (cell === '' ? [] : [[cell.replace('I', 'B'), begin]]));
      expect(groups[group].slots.map(({ slot, begin }) => [slotName(slot), begin])).toEqual(cells);
    });
  }
});

test('dualpipe-v: with whole backwards inside the pairs, as PyTorch has them, the bubble is the published one too, where F = B', () => {
  for (const { rows, ...shape } of recorded.filter(({ kind }) => kind === 'dualpipe-v')) {
    const whole = new Set(
      rows.flatMap((row) => [...row.matchAll(/(\d+)B(\d+)/g)].map(([, chunk, m]) => `${chunk} ${m}`)),
    );
    const table = generateSchedule('dualpipe-v', shape);
    for (const [F, B, W] of [
      [1, 1, 1],
      [2, 2, 1],
      [4, 4, 3],
    ]) {
      // A whole backward takes B + W, and its weight slot, which stands right behind it, nothing.
      const seconds = ({ chunk, direction, microbatch }: Slot) => {
        const inside = whole.has(`${chunk} ${microbatch}`);
        return direction === 'forward' ? F : direction === 'backward' ? B + (inside ? W : 0) : inside ? 0 : W;
      };
      const bubbles = timeline(table, { seconds }).groups.map(({ bubbleSeconds }) => bubbleSeconds);
      expect(Math.max(...bubbles)).toBe((shape.groups - 1) * (F + (B + W) + (B + W) - 3 * W));
    }
  }
});
