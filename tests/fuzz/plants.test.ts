/** Faults that are planted still change what they are to change, and are found where they are known to show. `npm run fuzz -- plant` searches. */
import { describe, expect, test } from 'vitest';
import { inStoredCase } from './plants.js';
import { plants } from './plants/index.js';
import type { Plant } from './plants/plant.js';
import { stored } from './plants/stored.js';

test.each(Object.entries(plants))('%s', (name, plant) => {
  expect(inStoredCase(plant, stored[name])).toBe('found');
});

test('no case is stored for a fault that is not there', () => {
  expect(Object.keys(stored).filter((name) => !(name in plants))).toEqual([]);
});

describe('a fault that has no place any more is told', () => {
  const known = stored.shared_input_not_summed;
  const idle: Readonly<Record<string, Omit<Plant, 'what'>>> = {
    'of a rule': { rule: (_, rule) => ({ ...rule }) },
    'of graphs': { graphs: (placed) => placed },
    'of a program': { program: (program) => program },
    'of a move': { move: (lowered) => lowered },
    'of a kernel': { kernel: (launch, right) => right({ ...launch }) },
  };
  test.each(Object.entries(idle))('%s', (what, plant) => {
    expect(inStoredCase({ what, ...plant }, known)).toBe('it changes nothing any more');
  });
});

test('so is one that no number shows, and one for which no case is stored', () => {
  const harmless: Plant = {
    what: 'another graph like it',
    graphs: (placed) => ({ ...placed, step: { ...placed.step } }),
  };
  expect(inStoredCase(harmless, stored.shared_input_not_summed)).toBe('what it changes shows in no number');
  expect(inStoredCase(harmless, undefined)).toBe('no case is stored for it');
});
