/**
 * Shrinking: of a case that fails, one that fails in the same way and of which nothing can be made simpler. What can be simpler follows from
 * the values themselves, so that an option of a draw needs no line here.
 */
import type { HintsDraw, TrainingDraw } from '../arbitraries/training.js';
import { smallest } from './fixed_cases.js';
import type { Case } from './laws.js';

/** Where shrinking leads. */
export const least: readonly [TrainingDraw, HintsDraw] = [
  { ...smallest, heads: 1, headDim: 1, hidden: 1, batch: 1, whim: 0 },
  { percent: 0, seed: 0 },
];

/** Values between one and the least of its field, the simplest first. Anything but numbers, lists and records has none but the least. */
export function simplerValues(value: unknown, to: unknown): readonly unknown[] {
  if (JSON.stringify(value) === JSON.stringify(to)) return [];
  if (typeof value === 'number' && typeof to === 'number') {
    const between = [Math.trunc((value + to) / 2), value > to ? value - 1 : to];
    return [...new Set([to, ...between])].filter((one) => one !== value);
  }
  if (Array.isArray(value) && Array.isArray(to)) {
    const shorter = value.length > to.length ? value.map((_, i) => value.filter((_, k) => k !== i)) : [];
    const inside = value.flatMap((item, i) =>
      simplerValues(item, to[Math.min(i, to.length - 1)]).map((one) => value.with(i, one)),
    );
    return unlike([to, ...shorter, ...inside]);
  }
  if (isRecord(value) && isRecord(to)) {
    const inside = Object.entries(value).flatMap(([key, item]) =>
      simplerValues(item, to[key]).map((one) => ({ ...value, [key]: one })),
    );
    return unlike([to, ...inside]);
  }
  // Models in the order of what they take.
  const known: readonly unknown[] = ['mlp', 'gpt', 'llama', 'mixtral'];
  return known.includes(value) ? known.slice(0, known.indexOf(value)) : [to];
}

/** Each once. */
const unlike = (values: readonly unknown[]): readonly unknown[] => [
  ...new Map(values.map((one) => [JSON.stringify(one), one])).values(),
];

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The smallest case found that `isFailing` still; what costs most comes first. */
export function shrink(found: Case, isFailing: (draw: TrainingDraw, hints: HintsDraw) => boolean): Case {
  const known = new Map<string, boolean>();
  const fails = (...one: Case): boolean => {
    const key = JSON.stringify(one);
    const told = known.get(key) ?? isFailing(...one);
    known.set(key, told);
    return told;
  };
  let [draw, hints] = found;
  for (let before = ''; before !== JSON.stringify([draw, hints]);) {
    before = JSON.stringify([draw, hints]);
    draw = shrinkFields(draw, least[0], ['meshes', 'model', 'layers'], (one) => fails(one, hints));
    hints = shrinkFields(hints, least[1], [], (one) => fails(draw, one));
  }
  return [draw, hints];
}

function shrinkFields<T extends object>(found: T, to: T, first: readonly (keyof T)[], fails: (one: T) => boolean): T {
  let value = found;
  for (const key of new Set([...first, ...(Object.keys(found) as (keyof T)[])])) {
    const step = () =>
      simplerValues(value[key], to[key])
        .map((one) => ({ ...value, [key]: one }))
        .find(fails);
    for (let next = step(); next; next = step()) value = next;
  }
  return value;
}
