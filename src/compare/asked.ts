/** Fields of two configurations that decide what a step computes, and are not the same. */
import { canonicalJson } from '../checkpoint/manifest.js';
import type { TrainConfig } from '../config/schema.js';
import { isPlain, textOf } from '../options/plain.js';
import type { AskedDifference } from './comparison.js';
import type { Side } from './side.js';

/** Groups that decide nothing of a step, or of which is told elsewhere: a run's plan stands beside its name. */
const elsewhere: readonly (keyof TrainConfig)[] = [
  ...(['model', 'data', 'seed', 'plan', 'ranks', 'steps', 'minutes'] as const),
  ...(['evaluation', 'sample', 'logging', 'overcommit', 'threads'] as const),
];

/** Engine and device are to give the same numbers but for rounding: a difference there is no cause. */
const ways: readonly string[] = ['engine', 'device'];

export function askedDifferences(a: Side, b: Side): readonly AskedDifference[] {
  const [one, other] = [fieldsOf(a), fieldsOf(b)];
  return fieldDifferences('', one, other);
}

/** Whether a field asks for other numbers, and not only for another way to them. */
export const isCause = ({ field }: AskedDifference): boolean => !ways.includes(field.split('.')[0]);

/** What the schedule of learning rates follows is the length that the run has come to have. */
function fieldsOf({ resolved: { config }, record }: Side): Readonly<Record<string, unknown>> {
  const groups = Object.entries(config).filter(([name]) => !(elsewhere as readonly string[]).includes(name));
  const { initial_load_path } = config.checkpoint;
  return { ...Object.fromEntries(groups), checkpoint: { initial_load_path }, steps: record.steps };
}

/** Fields in which two configurations, or parts of them, are not the same. */
export function fieldDifferences(field: string, a: unknown, b: unknown): readonly AskedDifference[] {
  if (canonicalJson(a ?? null) === canonicalJson(b ?? null)) return [];
  if (!isPlain(a) || !isPlain(b)) return [{ field, a: textOf(a), b: textOf(b) }];
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return names.flatMap((name) => fieldDifferences(field === '' ? name : `${field}.${name}`, a[name], b[name]));
}
