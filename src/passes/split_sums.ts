/**
 * A sum over chunks is taken once a step, and not once a microbatch.
 *
 * The gradient of a tied weight adds what the first chunk makes to what the last one does. Where a gradient is such a sum,
 * each chunk gives its own part, which it sums over the microbatches; the update adds the parts. So
 * contributions are summed in the order of microbatches within a chunk, and across chunks once, last.
 */
import { GraphBuilder } from '../ir/builder.js';
import type { Graph, GraphOutput, Node, ValueId } from '../ir/graph.js';
import { opNamed, type OpRegistry } from '../ir/op.js';
import { gradientRole, nameOf, type Role } from '../ir/role.js';
import type { Tensor } from '../ir/tensor.js';
import { eliminateDeadCode } from './eliminate_dead_code.js';

export interface SplitSums {
  readonly graph: Graph;
  /** Parameters whose gradients are now given in parts → the roles of these. */
  readonly parts: ReadonlyMap<string, readonly Role[]>;
}

/** `chunkOf` gives the chunk of a segment. */
export function splitSumsByChunk(graph: Graph, registry: OpRegistry, chunkOf: (segment: string) => number): SplitSums {
  const builder = GraphBuilder.resume(registry, graph);
  const parts = new Map<string, readonly Role[]>();
  const outputs = graph.outputs.flatMap((output): GraphOutput[] => {
    if (output.role.kind !== 'gradient') return [output];
    const { of } = output.role;
    const byChunk = new Map<number, ValueId[]>();
    for (const summand of summandsOf(graph, registry, output.value)) {
      const { node } = graph.values[summand];
      // An input of the graph may be added in any chunk.
      const chunk = node ? chunkOf(node.source.segment) : 0;
      byChunk.set(chunk, [...(byChunk.get(chunk) ?? []), summand]);
    }
    if (byChunk.size < 2) return [output];
    const chunks = [...byChunk].sort(([a], [b]) => a - b);
    const made = chunks.map(([chunk, summands]): GraphOutput => {
      const role = gradientRole(of, chunk);
      return { role, name: nameOf(role), value: sumOf(builder, graph, summands, output.value).id };
    });
    parts.set(
      of,
      made.map(({ role }) => role),
    );
    return made;
  });
  if (parts.size === 0) return { graph, parts };
  return { graph: eliminateDeadCode({ ...builder.build(), outputs }), parts };
}

/** The values that add up to one, in the order in which they are added. */
export function summandsOf(graph: Graph, registry: OpRegistry, value: ValueId): readonly ValueId[] {
  const { node } = graph.values[value];
  return node && isSum(registry, node) ? node.inputs.flatMap((input) => summandsOf(graph, registry, input)) : [value];
}

const isSum = (registry: OpRegistry, { op, rule }: Node): boolean =>
  opNamed(registry, op).adds === true && new Set(rule.operands.map(String)).size === 1;

/** The sum of summands of `total` that one chunk makes, in that chunk. */
function sumOf(builder: GraphBuilder, graph: Graph, summands: readonly ValueId[], total: ValueId): Tensor {
  const whole = graph.values[total].node!.source;
  const last = graph.values[summands[summands.length - 1]].node?.source ?? whole;
  return builder.at({ ...last, path: whole.path }, () =>
    summands.map((summand) => builder.tensor(summand)).reduce((sum, one) => sum.add(one)),
  );
}
