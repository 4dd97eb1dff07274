/** Kernels that are wrong on a part of a value, and right on the whole. */
import { product } from '../../../src/ir/type.js';
import type { ReferenceLaunch } from '../../../src/ops/launch.js';
import type { Plant, Plants } from './plant.js';

/** Whether a rank has a part of a factor. */
const isPart = ({ rule, sizes }: ReferenceLaunch, name?: string): boolean =>
  Object.entries(rule.factors).some(([one, { size }]) => (name ?? one) === one && sizes[one] !== size);

const on =
  (names: readonly string[], wrong: NonNullable<Plant['kernel']>): NonNullable<Plant['kernel']> =>
  (launch, right) =>
    names.includes(launch.op) ? wrong(launch, right) : right(launch);

/** Of ops that know of sequences stored head-tail. */
const storedHeadTail: NonNullable<Plant['at']> = ({ attributes }) => attributes.head_tail !== undefined;

const fromZero: NonNullable<Plant['kernel']> = (launch, right) => right({ ...launch, origins: {} });

/** As if sequences were stored in their own order. */
const inOrder: NonNullable<Plant['kernel']> = (launch, right) => {
  const { head_tail: _, ordered: __, ...attributes } = launch.attributes;
  return right({ ...launch, attributes });
};

export const kernelPlants: Plants = {
  attention_from_zero: {
    what: 'the kernel of attention takes every block of queries for the first',
    kernel: on(['attention'], fromZero),
  },
  attention_backward_from_zero: {
    what: 'the kernel of attention’s gradients takes every block of queries for the first',
    kernel: on(['attention_backward'], fromZero),
  },
  attention_in_order: {
    what: 'the kernel of attention takes queries that are stored head-tail for a run',
    kernel: on(['attention'], inOrder),
    at: storedHeadTail,
  },
  dropout_in_order: {
    what: 'dropout draws for positions as they are stored',
    kernel: on(['dropout', 'dropout_backward'], inOrder),
    at: storedHeadTail,
  },
  embedding_from_zero: {
    what: 'a table’s rows are looked up by their place in the rank’s own',
    kernel: on(['gather'], fromZero),
  },
  last_of_an_odd_block: {
    what: 'an addition leaves out the last element of a block of odd length',
    kernel: on(['add'], (launch, right) =>
      right(launch).map((block) => (isPart(launch) && block.length % 2 === 1 ? block.with(-1, 0) : block)),
    ),
  },
  update_of_a_shard: {
    what: 'the update of a part of a bucket leaves its last element as it was',
    kernel: on(['adamw'], (launch, right) => {
      const [weights, ...rest] = right(launch);
      return [isPart(launch) ? weights.with(-1, launch.inputs[0].at(-1)!) : weights, ...rest];
    }),
  },
  repeated_ids_overwrite: {
    what: 'of equal ids in a rank’s tokens the last alone is added',
    kernel: on(['scatter'], (launch, right) => {
      if (!isPart(launch)) return right(launch);
      // Only the last of the tokens is left of what it adds.
      const [rows, ...ids] = launch.inputs;
      const width = rows.length / ids[0].length;
      if (!Number.isInteger(width) || ids.length !== 1) return right(launch);
      const last = new Map([...ids[0]].map((id, i) => [id, i]));
      const kept = rows.map((x, i) => (last.get(ids[0][Math.floor(i / width)]) === Math.floor(i / width) ? x : 0));
      return right({ ...launch, inputs: [kept, ...ids] });
    }),
  },
  uneven_shares_as_even: {
    what: 'losses and tokens of an uneven share count as those of an even one',
    kernel: on(['einsum'], (launch, right) => {
      const { rule, sizes } = launch;
      const results = right(launch);
      const name = ['batch', 'microbatch'].find((one) => one in rule.factors && isPart(launch, one));
      if (name === undefined || rule.results[0].length > 0 || sizes[name] === 0) return results;
      const even = rule.factors[name].size / Math.round(rule.factors[name].size / sizes[name]);
      return results.map((block) => block.map((x) => (x * even) / sizes[name]));
    }),
  },
  combine_without_weights: {
    what: 'what a token’s experts return is added up without its weights',
    kernel: on(['einsum'], (launch, right) => {
      const { rule, inputs } = launch;
      const [left] = rule.operands;
      const combines =
        rule.operands.length === 2 &&
        left.includes('choice') &&
        left.includes('dim') &&
        !rule.results[0].includes('choice');
      if (!combines || !isPart(launch)) return right(launch);
      const ones = new Float64Array(product(rule.operands[1].map((name) => launch.sizes[name]))).fill(1);
      return right({ ...launch, inputs: [inputs[0], ones] });
    }),
  },
};
