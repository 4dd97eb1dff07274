/** Searching, shrinking and telling: of faults that are planted, what comes out is small, names its instruction, and can be played again. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyCase } from '../arbitraries/cases.js';
import { everyAxis, mostRanks } from '../arbitraries/every_axis.js';
import { trainingScenario } from '../arbitraries/training.js';
import { isSmall, plantedLaw, refusalOf } from '../fuzz/plants.js';
import { plants } from '../fuzz/plants/index.js';
import { ranksOf } from '../../src/plan/plan.js';
import { planOf } from '../scenarios/scenario.js';
import { caseText, parseCase } from './case_text.js';
import type { Case } from './laws.js';
import { ratioText } from './ratio.js';
import { search, story } from './search.js';
import { least, shrink, simplerValues } from './simpler.js';

describe('cases as text', () => {
  test('what differs from the least is told, and is the case again', () => {
    expect(caseText(least)).toBe('{}');
    fc.assert(
      fc.property(anyCase(), (one) => {
        expect(parseCase(caseText(one))).toEqual(one);
      }),
    );
    expect(() => parseCase('{"layer":2}')).toThrow("a case has no 'layer'");
  });

  test('cases of all axes have two layers or more, a tied embedding, and sixteen ranks at most', () => {
    const law = fc.property(everyAxis(), ([draw, hints]) => {
      expect(draw.layers).toBeGreaterThan(1);
      expect([draw.tied, draw.hidden % 2, draw.vocab % 2]).toEqual([true, 1, 1]);
      expect(ranksOf(planOf(trainingScenario(draw, hints)))).toBeLessThanOrEqual(mostRanks);
    });
    fc.assert(law, { numRuns: 20 });
  });
});

describe('shrinking', () => {
  test('numbers go towards the least, lists lose what they have, words become the least', () => {
    expect(simplerValues(9, 1)).toEqual([1, 5, 8]);
    expect(simplerValues(1, 1)).toEqual([]);
    expect(simplerValues('zb-v', '1f1b')).toEqual(['1f1b']);
    expect(simplerValues('llama', 'mlp')).toEqual(['mlp', 'gpt']);
    expect(simplerValues([3, 1], [1])).toEqual([[1], [3], [1, 1], [2, 1]]);
    expect(simplerValues({ data: 2, tensor: 1 }, { data: 1, tensor: 1 })).toEqual([{ data: 1, tensor: 1 }]);
  });

  test('what a fault does not need is gone, and what it needs is least', () => {
    const needs = ([{ model, meshes, sequence }]: Case) =>
      model !== 'mlp' && sequence >= 3 && meshes.some(({ context, tensor }) => context > 1 && tensor > 1);
    fc.assert(
      fc.property(everyAxis().filter(needs), (found) => {
        const small = shrink(found, (draw, hints) => needs([draw, hints]));
        const meshes = [{ data: 1, tensor: 2, context: 2 }];
        expect(small).toEqual([{ ...least[0], model: 'gpt', meshes, sequence: 3 }, least[1]]);
      }),
      { numRuns: 30 },
    );
  });
});

test('a ratio tells what is counted twice, and what is left out', () => {
  const cases: readonly [serial: number, parallel: number, ratio: string][] = [
    [0.5, 1, '2×'],
    [3, 1, '1/3×'],
    [2, 3, '1.500×'],
    [0, 1, '∞×'],
    [1, 0, '0×'],
    [1, 1 - 2e-7, '1 − 2e-7×'],
  ];
  for (const [serial, parallel, ratio] of cases) expect(ratioText(serial, parallel)).toBe(ratio);
});

/** One of each sort: a rule that lies, a placed graph that is not what it was made of, a kernel. Where the search is to begin. */
const planted: Readonly<Record<string, string>> = {
  attention_without_origin:
    '{"model":"llama","layers":2,"headDim":2,"sequence":3,"vocab":5,"tied":true,"meshes":[{"data":1,"tensor":1,"context":2}],"update":true}',
  expert_gradient_doubled:
    '{"model":"mixtral","layers":2,"logical":2,"dataSplits":"microbatch","expertsOverData":true,"tied":true,"meshes":[{"data":2,"tensor":1,"context":1}],"zero":1,"update":true}',
  last_of_an_odd_block:
    '{"model":"gpt","layers":2,"heads":3,"hidden":5,"sequence":3,"tied":true,"meshes":[{"data":2,"tensor":2,"context":1}],"sequenceParallel":true,"update":true}',
};

describe('planted faults', () => {
  test.each(Object.entries(planted))(
    '%s is found, made small, told with its instruction, and found again',
    (name, from) => {
      const law = plantedLaw(plants[name]);
      const found = search({ ...law, examples: [parseCase(from)] }, { seed: 1, runs: 0 })!;
      expect(found.fault.kind).toBe('differs');
      expect(isSmall(found)).toBe(true);
      const text = story(name, found, `npm run fuzz -- plant ${name}`);
      expect(text).toMatch(/\n {2}model {3}\w+: 1 layer, /);
      expect(text).toMatch(/\n {2}plan {4}mesh /);
      expect(text).toMatch(/\n {2}made by rank \d+: .+ of microbatch \d+.*\n.+ serial \S+ {2}parallel \S+ {2}\(.+×\)/);
      const [, again] = /--case '(.*)'$/.exec(text)!;
      expect(law.fault(...parseCase(again))?.tell()).toBe(found.fault.tell());
    },
  );

  test('a gradient that counts twice is told as 2×, with what made it', () => {
    const law = plantedLaw(plants.expert_gradient_doubled);
    const text = law.fault(...parseCase(planted.expert_gradient_doubled))!.tell();
    expect(text).toMatch(/first {3}gradient\.blocks\.0\.experts\.\w+\[\d+\] .* \(/);
    expect(text).toMatch(/made by rank \d: scale, .*\n.*\(2×\)/);
  });

  test('the proofs refuse what numbers show, where they do not rest on what is wrong', () => {
    expect(refusalOf(plants.expert_gradient_doubled, parseCase(planted.expert_gradient_doubled))).toBe(
      'partition/other-value',
    );
    expect(refusalOf(plants.attention_without_origin, parseCase(planted.attention_without_origin))).toBeNull();
  });
});
