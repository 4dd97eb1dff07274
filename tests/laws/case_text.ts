/** Cases as text: what differs from the least case, so that a line tells it and plays it again. */
import type { HintsDraw, TrainingDraw } from '../arbitraries/training.js';
import type { Case } from './laws.js';
import { least } from './simpler.js';

/** `{"model":"gpt","meshes":[{"data":2,"tensor":1,"context":1}]}` */
export const caseText = ([draw, hints]: Case): string =>
  JSON.stringify({ ...difference(draw, least[0]), ...difference(hints, least[1]) });

const difference = <T extends object>(value: T, from: T): Partial<T> =>
  Object.fromEntries(
    Object.entries(value).filter(([key, one]) => JSON.stringify(one) !== JSON.stringify(from[key as keyof T])),
  ) as Partial<T>;

/** The case of a text. Throws where it is no JSON, or names what no case has. */
export function parseCase(text: string): Case {
  const given = JSON.parse(text) as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(given).find((key) => least.every((part) => !(key in part)));
  if (unknown !== undefined) throw new Error(`a case has no '${unknown}'`);
  const part = <T extends object>(of: T): T => ({
    ...of,
    ...Object.fromEntries(Object.entries(given).filter(([key]) => key in of)),
  });
  return [part<TrainingDraw>(least[0]), part<HintsDraw>(least[1])];
}

/** What a model may have besides its sizes. */
const options = [
  'window',
  'documents',
  'sinks',
  'positions',
  'zLoss',
  'tied',
  'dropout',
] as const satisfies readonly (keyof TrainingDraw)[];

/** The model of a case, in words. */
export function describeModel([draw]: Case): string {
  const { model, layers, heads, headDim, group, hidden, vocab, sequence, batch, logical, experts } = draw;
  const sizes = [
    `${layers} ${layers === 1 ? 'layer' : 'layers'}`,
    `${heads} × ${headDim} dim${group > 1 ? ` × ${group}` : ''}`,
    `hidden ${hidden}`,
    ...(model === 'mlp' ? [] : [`vocab ${vocab}`, `sequence ${sequence}`, `${logical} × ${batch} sequences`]),
    ...(model === 'mixtral' ? [`${experts} experts`] : []),
  ];
  const chosen = options.filter((name) => model !== 'mlp' && draw[name] !== least[0][name]);
  const words = chosen.map((name) => (draw[name] === true ? name : `${name} ${draw[name]}`));
  return `${model}: ${[...sizes, ...words].join(', ')}`;
}
