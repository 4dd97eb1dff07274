/** What a search of all axes has drawn: how many cases of which axes, and whether that is what it promises. */
import { contextMethods } from '../../src/plan/context_methods.js';
import { ranksOf, zeroStages } from '../../src/plan/plan.js';
import { scheduleKinds } from '../../src/schedule/kinds.js';
import { trainingScenario } from '../arbitraries/training.js';
import { axesOf } from '../laws/axes_of.js';
import { coveredPairs } from '../laws/covering_pairs.js';
import type { Case } from '../laws/laws.js';
import { planOf } from '../scenarios/scenario.js';

/** What every search of some hundred cases has to meet. */
const promised: Readonly<Record<string, readonly (string | number)[]>> = {
  model: ['gpt', 'llama', 'mixtral'],
  zero: zeroStages,
  schedule: [...scheduleKinds.keys()],
  method: contextMethods,
};

/** What was promised and is not there; empty where all is. */
export function lacking(cases: readonly Case[]): readonly string[] {
  const drawn = cases.map(drawnOf);
  const values = Object.entries(promised).flatMap(([name, wanted]) =>
    wanted.filter((value) => drawn.every(({ values }) => values[name] !== value)).map((value) => `${name} ${value}`),
  );
  return [
    ...(ofManyAxes(drawn) * 2 < drawn.length ? ['three axes or more in half of the cases'] : []),
    ...(drawn.some(({ sizes }) => sizes.layers < 2) ? ['two layers in each'] : []),
    ...values,
  ];
}

/** Counts, as a table. */
export function tallyText(cases: readonly Case[]): string {
  const drawn = cases.map(drawnOf);
  const sizes = Object.keys(drawn[0].sizes).map((name) => {
    const all = new Set(drawn.map((one) => one.sizes[name]));
    return `${name} ${[...all].sort((a, b) => a - b).join(' ')}`;
  });
  const rows = [
    ['sizes', sizes.join(', ')],
    ['axes above 1', counts(drawn.map(({ axes }) => axes))],
    ['three axes or more', `${ofManyAxes(drawn)} of ${drawn.length}`],
    ['ranks', counts(drawn.map(({ ranks }) => ranks))],
    ...Object.keys(drawn[0].values).map((name) => [name, counts(drawn.map(({ values }) => values[name]))]),
    ['pairs of these', `${coveredPairs(drawn.map(({ values }) => values))} have met`],
  ];
  return rows.map(([name, text]) => `  ${name.padEnd(20)}${text}`).join('\n');
}

interface Drawn {
  readonly sizes: Readonly<Record<string, number>>;
  /** How many have more than one rank. */
  readonly axes: number;
  readonly ranks: number;
  readonly values: Readonly<Record<string, string | number>>;
}

function drawnOf([draw, hints]: Case): Drawn {
  const plan = planOf(trainingScenario(draw, hints));
  const { schedule, zero, context_method: method = 'allgather', chunks } = plan;
  const axes = axesOf(plan, draw.model === 'mixtral');
  const blocks = chunks.flatMap(({ segments }) => segments.filter((name) => name.startsWith('blocks.')));
  const { heads, hidden, vocab, sequence } = draw;
  return {
    sizes: { layers: blocks.length, heads, hidden, vocab, sequence },
    axes: Object.values(axes).filter((size) => size > 1).length,
    ranks: ranksOf(plan),
    values: { model: draw.model, ...axes, zero: zero.stage, schedule: schedule.kind, method },
  };
}

const ofManyAxes = (drawn: readonly Drawn[]): number => drawn.filter(({ axes }) => axes >= 3).length;

/** `1: 24  2: 13` */
function counts(values: readonly (string | number)[]): string {
  const found = new Map<string | number, number>();
  for (const value of values) found.set(value, (found.get(value) ?? 0) + 1);
  const inOrder = [...found].sort(([a], [b]) => String(a).localeCompare(String(b), 'en', { numeric: true }));
  return inOrder.map(([value, n]) => `${value}: ${n}`).join('  ');
}
