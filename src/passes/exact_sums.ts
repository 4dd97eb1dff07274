/**
 * Sums of a reproducible step are exact, and so the same in any order.
 *
 *   gradient = Σ addends                       of uses, microbatches and ranks, in the order in which a plan adds them
 *            ⟶ Σ fixed_point(addend)            in f64, none of which rounds
 *
 * A plan decides who adds what to what: microbatches on a rank, ranks in a collective, chunks that share a weight in the update. So every
 * addend of what a step gives is put on a grid that follows from the batch, the model and the ranks that share a microbatch, none of which such
 * a plan changes, and no sum of them needs more than the 53 bits of f64.
 * Whatever else a step computes a plan does not change, as long as a rank has whole logical microbatches (`plan/reproducible.ts`).
 */
import { GraphBuilder } from '../ir/builder.js';
import { isFloat } from '../ir/dtype.js';
import type { Graph, ValueId } from '../ir/graph.js';
import type { OpRegistry } from '../ir/op.js';
import type { Role } from '../ir/role.js';
import type { Tensor } from '../ir/tensor.js';
import { eliminateDeadCode } from './eliminate_dead_code.js';
import { summandsOf } from './split_sums.js';

/** Of a step, padding left out. */
export interface SummedBatch {
  /** Logical ones. */
  readonly microbatches: number;
  /** Of a logical microbatch. */
  readonly tokens: number;
  /** That share a logical microbatch, each with a part of what it adds. */
  readonly ranks: number;
}

/** Numbers on a grid of 2^`grid`, none larger than 2^`limit`. */
export interface FixedPoint {
  readonly grid: number;
  readonly limit: number;
}

/** f64 holds integers of so many bits, and their sums below it, exactly. */
const significandBits = 53;

/**
 * Largest addends of a logical microbatch, for each of its tokens: of a gradient's element 2^4, of the loss 2^10. What is larger makes the
 * update skip the step, as a number that is not finite does.
 */
const limitBits = { gradient: 4, result: 10 } as const;

/** For each token, in words: above them a finite number counts as infinite. */
export const limitsText = `${2 ** limitBits.gradient} in an element of a gradient, or ${2 ** limitBits.result} in a loss`;

/**
 * The grid of the addends of a sum. `uses`: what adds to it in a microbatch, such as the layers that share a weight. An element of the mean
 * gradient is known to 2^-47 · uses · ranks, whatever the batch; f32, in which weights are updated, knows one above 2^-23 no better.
 */
export function fixedPointOf(
  { microbatches, tokens, ranks }: SummedBatch,
  kind: keyof typeof limitBits,
  uses: number,
): FixedPoint {
  const limit = limitBits[kind] + bitsOf(tokens);
  // Two bits are for the rounding to the grid (`onGrid`).
  return { limit, grid: limit + bitsOf(microbatches) + bitsOf(ranks) + bitsOf(uses) + 2 - significandBits };
}

const bitsOf = (count: number): number => Math.ceil(Math.log2(count));

export function exactSums(graph: Graph, registry: OpRegistry, batch: SummedBatch): Graph {
  const builder = GraphBuilder.resume(registry, graph);
  const exact = (value: ValueId, role: Role): ValueId => {
    const added = summandsOf(graph, registry, value);
    const attributes = { ...fixedPointOf(batch, role.kind === 'gradient' ? 'gradient' : 'result', added.length) };
    const summands = added.map((summand): Tensor => {
      const { node } = graph.values[summand];
      const made = node ?? graph.values[value].node;
      const put = () => builder.tensor(summand).apply('fixed_point', [], attributes);
      return made ? builder.at(made.source, put) : put();
    });
    const [first, ...others] = summands;
    const { node } = graph.values[value];
    const add = () => others.reduce((sum, one) => sum.add(one), first);
    return (node ? builder.at(node.source, add) : add()).id;
  };
  const outputs = graph.outputs.map((output) =>
    isFloat(graph.values[output.value].type.dtype) ? { ...output, value: exact(output.value, output.role) } : output,
  );
  return eliminateDeadCode({ ...builder.build(), outputs });
}
