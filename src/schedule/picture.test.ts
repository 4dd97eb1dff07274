import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defaultVirtualStages, generateSchedule, scheduleKinds } from './kinds.js';
import { pictureOf } from './picture.js';
import { backward, forward, slotName, type ScheduleTable } from './slot.js';
import { svgOf } from './svg.js';
import { secondsByDirection, timeline } from './timeline.js';

const unit = (table: ScheduleTable) => secondsByDirection(table, { forward: 1, backward: 1, weight: 1 });
const generated = fc
  .record({
    kind: fc.constantFrom(...scheduleKinds.values()),
    groups: fc.integer({ min: 1, max: 5 }),
    more: fc.nat(12),
  })
  .map(({ kind, groups, more }) =>
    generateSchedule(kind.name, {
      groups,
      virtualStages: defaultVirtualStages(kind),
      microbatches: kind.leastMicrobatches(groups) + more,
    }),
  );

describe('as text', () => {
  test('1f1b: a backward takes two units', () => {
    const table = generateSchedule('1f1b', { groups: 2, virtualStages: 1, microbatches: 2 });
    expect(pictureOf(table, { seconds: unit(table) })).toBe(
      'group 0  F0 F1 ·  ·  B0─── ·  B1───\n' + //
        'group 1  ·  F0 B0─── F1 B1─── ·  ·',
    );
  });

  test('zb-v: slots are named with their chunk, since a group has two', () => {
    const table = generateSchedule('zb-v', { groups: 2, virtualStages: 2, microbatches: 2 });
    expect(pictureOf(table, { seconds: unit(table) })).toBe(
      'group 0  0F0 0F1 ·   3F0 3B0 3W0 3F1 3B1 3W1 0B0 0W0 ·   0B1 0W1\n' +
        'group 1  ·   1F0 2F0 1F1 2F1 2B0 2W0 1B0 1W0 2B1 2W1 1B1 1W1 ·',
    );
  });

  test('woven slots are one cell', () => {
    const table: ScheduleTable = [[forward(0, 0), { woven: [forward(0, 1), backward(0, 0)] }, backward(0, 1)]];
    expect(pictureOf(table, { seconds: () => 1 })).toBe('group 0  F0 F1+B0 B1');
  });

  test('times are rounded to columns, and a slot has one at least', () => {
    const table = [[forward(0, 0), backward(0, 0)]];
    expect(pictureOf(table, { seconds: () => 0.01 })).toBe('group 0  F0 B0');
    expect(pictureOf(table, { seconds: () => 30, unit: 10 })).toBe('group 0  F0─── B0───');
  });

  test('each slot stands at its time', () => {
    fc.assert(
      fc.property(generated, (table) => {
        const lines = pictureOf(table, { seconds: unit(table) }).split('\n');
        const { seconds, groups } = timeline(table, { seconds: unit(table) });
        const straight =
          table.length > 0 && groups.every(({ slots }) => new Set(slots.map(({ slot }) => slot.chunk)).size === 1);
        const start = 'group 0  '.length;
        // All columns have one width: where the group that ends last ends.
        const ends = lines.map((line) => line.length);
        const width = (Math.max(...ends) - start + 1) / seconds;
        expect(width).toBe(Math.round(width));
        groups.forEach(({ slots }, group) => {
          for (const { slot, begin, wovenWith } of slots) {
            const name = straight ? slotName(slot).replace(/^\d+/, '') : slotName(slot);
            const text = lines[group].slice(start + begin * width);
            expect(text.startsWith(name) || (wovenWith !== null && text.split(/[─ ]/)[0].endsWith(`+${name}`))).toBe(
              true,
            );
          }
        });
      }),
      { numRuns: Number(process.env.RUNS ?? 60) },
    );
  });
});

describe('as SVG', () => {
  test('each slot is a rectangle at its time, named when one hovers over it', () => {
    fc.assert(
      fc.property(generated, (table) => {
        const svg = svgOf(table, 'a < b & c', { seconds: unit(table) });
        expect(svg).toContain('<title>a &lt; b &amp; c</title>');
        const drawn = [...svg.matchAll(/<g><title>(\w+)<\/title><rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"/g)];
        const timed = timeline(table, { seconds: unit(table) }).groups.flatMap(({ slots }) => slots);
        expect(drawn.map(([, name, x, width]) => [name, (Number(x) - 64) / 20, Number(width) / 20])).toEqual(
          timed.map(({ slot, begin, end }) => [slotName(slot), begin, end - begin]),
        );
      }),
      { numRuns: Number(process.env.RUNS ?? 30) },
    );
  });

  test('the legend names the directions that there are', () => {
    const legend = (kind: string, virtualStages: number) => {
      const table = generateSchedule(kind, { groups: 2, virtualStages, microbatches: 4 });
      return [...svgOf(table, kind, { seconds: unit(table) }).matchAll(/>(forward|backward|weight|lighter.*?)</g)].map(
        ([, t]) => t,
      );
    };
    expect(legend('1f1b', 1)).toEqual(['forward', 'backward']);
    expect(legend('zb-v', 2)).toEqual(['forward', 'backward', 'weight', 'lighter: later chunks']);
  });
});
