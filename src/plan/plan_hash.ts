/** What of a plan decides, and its hash: two plans of one hash make the same programs, if they leave nothing open. */
import { hashText } from '../ir/hash.js';
import { gradientDtypeOf } from './gradient_dtype.js';
import { gatheringOf, gradientReductionOf, groupOfChunks, type Plan } from './plan.js';

/** Of {@link decidingFields}. */
export const planHash = (plan: Plan): string => hashOf(decidingFields(plan));

/** Of any value of a plan; the order of keys does not count. */
export const hashOf = (value: unknown): string => hashText(JSON.stringify(value, sorted));

/**
 * All fields but what is predicted, what groups are called, and what assignments were chosen for. The order of keys counts where it
 * decides: of groups, axes and splits.
 */
export function decidingFields(plan: Plan) {
  const {
    predicted: _,
    chosen_for: _chosenFor,
    groups,
    chunks,
    split,
    zero,
    precision,
    assignments = {},
    reshards = [],
    validation = {},
    ...others
  } = plan;
  const groupOf = groupOfChunks(plan);
  const { axes: _axes, ...whole } = zero;
  const reduce_gradients = gradientReductionOf(zero);
  return {
    ...others,
    groups: Object.values(groups).map(({ mesh }) => Object.entries(mesh)),
    chunks: chunks.map(({ segments }, i) => ({ segments, on: groupOf[i] })),
    split: Object.entries(split),
    // Where ZeRO splits nothing and nothing is reduced but once, nothing reads over which axis.
    zero: {
      ...(zero.stage > 0 || reduce_gradients === 'each' ? { ...zero, ...gatheringOf(zero) } : whole),
      reduce_gradients,
    },
    precision: { ...precision, gradients: gradientDtypeOf(precision) },
    assignments,
    reshards,
    validation: { assignments: validation.assignments ?? {}, reshards: validation.reshards ?? [] },
  };
}

/** For JSON.stringify: records with their keys in order. */
const sorted = (_: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
    : value;
