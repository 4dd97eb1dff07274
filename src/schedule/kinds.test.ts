import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkSchedule } from './check.js';
import type { ScheduleKind, ScheduleShape, SlotSeconds } from './kind.js';
import { generateSchedule, scheduleKinds } from './kinds.js';
import { groupOfChunk } from './placement.js';
import { entryName, type ScheduleTable } from './slot.js';
import { secondsByDirection, timeline } from './timeline.js';

const kinds = [...scheduleKinds.values()];
const text = (table: ScheduleTable) => table.map((order) => order.map(entryName).join(' '));
const stagesOf = ({ virtualStages: v }: ScheduleKind) => ('exactly' in v ? [v.exactly] : [v.least, v.least + 1]);

/** What the timeline measures of the figures that are published. */
function measured(kind: ScheduleKind, shape: ScheduleShape, seconds: SlotSeconds) {
  const table = generateSchedule(kind.name, shape);
  const { groups } = timeline(table, { seconds: secondsByDirection(table, seconds) });
  return {
    bubble: Math.max(...groups.map((g) => (kind.bubble.of === 'step' ? g.bubbleSeconds : g.idleSeconds))),
    peak: Math.max(...groups.map((g) => (kind.peak.to === 'weight' ? g.peakToWeight : g.peakToBackward))),
  };
}

describe('figures of the papers', () => {
  test('1f1b: Narayanan et al. 2021, figure 4, of two groups', () => {
    expect(text(generateSchedule('1f1b', { groups: 2, virtualStages: 1, microbatches: 3 }))).toEqual([
      '0F0 0F1 0B0 0F2 0B1 0B2',
      '1F0 1B0 1F1 1B1 1F2 1B2',
    ]);
  });

  test('zb-h1: Qi et al. 2023, figure 3, first and last of four groups', () => {
    const table = text(generateSchedule('zb-h1', { groups: 4, virtualStages: 1, microbatches: 8 }));
    expect(table[0]).toMatch(/^0F0 0F1 0F2 0F3 0B0 0W0 0F4 0B1 0W1 0F5/);
    expect(table[3]).toMatch(/^3F0 3B0 3F1 3B1 3F2 3B2 3F3 3B3 3W0 3F4 3B4 3W1 .* 3B7 3W4 3W5 3W6 3W7$/);
  });

  test('dualpipe-v weaves forwards of one chunk with backwards of the other', () => {
    expect(text(generateSchedule('dualpipe-v', { groups: 2, virtualStages: 2, microbatches: 4 }))).toEqual([
      '0F0 0F1 0F2 3F0 3B0 3W0 3F1 0F3+3B1 3W1 3F2+0B0 0W0 3B2 3W2 3F3+0B1 0W1 3B3 3W3 0B2 0W2 0B3 0W3',
      '1F0 2F0 1F1 2F1 1F2 2B0 2W0 2F2+1B0 1W0 1F3+2B1 2W1 2F3+1B1 1W1 2B2 2W2 1B2 1W2 2B3 1B3 2W3 1W3',
    ]);
  });
});

describe.each(kinds.map((kind) => [kind.name, kind] as const))('%s', (_name, kind) => {
  const units: readonly SlotSeconds[] = [
    [1, 1, 1],
    [2, 3, 2],
    [3, 4, 2],
    [1, 2, 1],
    [3, 2, 1],
    [2, 3, 4],
  ].map(([forward, backward, weight]) => ({ forward, backward, weight }));

  test('bubble and peak of activations are the published ones, wherever these are said to hold', () => {
    const seen = new Set<string>();
    for (const virtualStages of stagesOf(kind)) {
      for (const groups of [1, 2, 3, 4, 8]) {
        const multiples = [1, 2, 4].map((k) => k * groups);
        for (const microbatches of [...multiples, 1, groups + 1, 2 * groups - 1, 3 * groups + 1]) {
          if (microbatches < kind.leastMicrobatches(groups)) continue;
          for (const seconds of units) {
            const shape = { groups, virtualStages, microbatches };
            const { bubble, peak } = measured(kind, shape, seconds);
            const at = JSON.stringify({ ...shape, ...seconds });
            if (kind.bubble.holdsFor(shape, seconds)) {
              expect(bubble, at).toBe(kind.bubble.value(shape, seconds));
              if (seconds === units[0] && multiples.includes(microbatches))
                seen.add(`${groups} ${microbatches / groups}`);
            }
            if (kind.peak.holdsFor(shape, seconds)) expect(peak, at).toBe(kind.peak.value(shape, seconds));
          }
        }
      }
    }
    // In unit time the formulae hold for p and m of the published tables; the V schedules need 2p microbatches.
    for (const groups of [2, 4, 8])
      for (const k of kind.placement === 'v' ? [2, 4] : [1, 2, 4]) expect(seen).toContain(`${groups} ${k}`);
  });

  test('where the bubble is not said to be the published one, it is another for some microbatches or durations', () => {
    const outside: boolean[] = [];
    for (const virtualStages of stagesOf(kind))
      for (const groups of [3, 4])
        for (let microbatches = kind.leastMicrobatches(groups); microbatches < 4 * groups; microbatches++)
          for (const seconds of units) {
            const shape = { groups, virtualStages, microbatches };
            if (!kind.bubble.holdsFor(shape, seconds))
              outside.push(measured(kind, shape, seconds).bubble !== kind.bubble.value(shape, seconds));
          }
    if (outside.length > 0) expect(outside).toContain(true);
  });

  test('any legal shape gives a table that is a schedule', () => {
    const shape = fc
      .record({ groups: fc.integer({ min: 1, max: 9 }), legs: fc.integer({ min: 0, max: 3 }), more: fc.nat(40) })
      .map(({ groups, legs, more }) => ({
        groups,
        virtualStages: 'exactly' in kind.virtualStages ? kind.virtualStages.exactly : kind.virtualStages.least + legs,
        microbatches: kind.leastMicrobatches(groups) + more,
      }));
    fc.assert(
      fc.property(shape, (shape) => {
        const table = generateSchedule(kind.name, shape);
        const chunks = shape.groups * shape.virtualStages;
        const groupOf = (chunk: number) => groupOfChunk(kind.placement, shape.groups, chunk);
        expect(checkSchedule(table, { ...shape, chunks, groupOf }).map(String)).toEqual([]);
        expect(table.flat().some((entry) => entryName(entry).includes('W'))).toBe(kind.splitsBackward);
      }),
      { numRuns: Number(process.env.RUNS ?? 60) },
    );
  });
});

test('zb-v: over the whole step a group does nothing for (p − 1)F, in which the groups begin one after the other', () => {
  for (const groups of [2, 4, 8]) {
    const table = generateSchedule('zb-v', { groups, virtualStages: 2, microbatches: 2 * groups });
    const seconds = secondsByDirection(table, { forward: 1, backward: 1, weight: 1 });
    const { groups: timed } = timeline(table, { seconds });
    expect(timed.map(({ bubbleSeconds }) => bubbleSeconds)).toEqual(timed.map(() => groups - 1));
    expect(timed.map(({ slots }) => slots[0].begin)).toEqual(timed.map((_, group) => group));
  }
});

test('zb-h1: group r keeps p − r activations for their backward, and p in all', () => {
  const table = generateSchedule('zb-h1', { groups: 4, virtualStages: 1, microbatches: 12 });
  const { groups } = timeline(table, { seconds: () => 1 });
  expect(groups.map(({ peakToBackward }) => peakToBackward)).toEqual([4, 3, 2, 1]);
  expect(groups.map(({ peakToWeight }) => peakToWeight)).toEqual([4, 4, 4, 4]);
});

test('interleaved: with m a multiple of p the peak is what Megatron-LM publishes, 1 + (p − 1)/(pv) times that of 1f1b', () => {
  for (const groups of [2, 4, 8]) {
    for (const virtualStages of [2, 3, 4]) {
      const shape = { groups, virtualStages, microbatches: 4 * groups };
      const times = 1 + (groups - 1) / (groups * virtualStages);
      const { peak } = measured(scheduleKinds.get('interleaved')!, shape, { forward: 1, backward: 1, weight: 1 });
      expect(peak).toBeCloseTo(times * groups * virtualStages, 9);
    }
  }
});

describe('is refused', () => {
  const shape = { groups: 4, virtualStages: 1, microbatches: 8 };

  test('an unknown schedule, with the nearest name', () => {
    expect(() => generateSchedule('zb-h2', shape)).toThrow(/write 'zb-h1'/);
  });

  test('fewer microbatches than dualpipe-v needs', () => {
    expect(() => generateSchedule('dualpipe-v', { groups: 4, virtualStages: 2, microbatches: 7 })).toThrow(
      /'dualpipe-v' takes 8 microbatches or more on 4 groups, and there are 7/,
    );
  });

  test.each([
    ['1f1b', 2, '1 chunk'],
    ['zb-v', 1, '2 chunks'],
    ['interleaved', 1, '2 chunks or more'],
    ['interleaved', 2.5, '2 chunks or more'],
  ])('%s with %d chunks a group', (name, virtualStages, takes) => {
    expect(() => generateSchedule(name, { ...shape, virtualStages })).toThrow(
      `'${name}' takes ${takes} a group, and virtual_stages is ${virtualStages}`,
    );
  });

  test.each([
    ['groups', 0],
    ['groups', 1.5],
    ['microbatches', 0],
    ['microbatches', Number.NaN],
  ])('%s: %d', (name, value) => {
    expect(() => generateSchedule('gpipe', { ...shape, [name]: value })).toThrow(`cannot have ${value} ${name}`);
  });
});
