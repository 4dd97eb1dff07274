/**
 * A sum over pipeline stages is taken once a step, and not once a microbatch.
 *
 * The gradient of a tied weight adds what the first stage makes to what the last one does. Where an output of the step is such a sum,
 * each stage gives its own part, which it sums over the microbatches; the update adds the parts (DESIGN: contributions are summed in
 * microbatch order within a stage, across stages once, last).
 */
import { GraphBuilder } from '../ir/builder.js';
import type { Graph, GraphOutput, Node, ValueId } from '../ir/graph.js';
import type { OpRegistry } from '../ir/op.js';
import type { Tensor } from '../ir/tensor.js';
import { eliminateDeadCode } from './eliminate_dead_code.js';

export interface SplitSums {
  readonly graph: Graph;
  /** Outputs that are now given in parts: the names of all parts, the first of them the output's own. */
  readonly parts: ReadonlyMap<string, readonly string[]>;
}

/** `stageOf` gives the pipeline stage of a segment. */
export function splitSumsByStage(graph: Graph, registry: OpRegistry, stageOf: (segment: string) => number): SplitSums {
  const builder = GraphBuilder.resume(registry, graph);
  const parts = new Map<string, readonly string[]>();
  const outputs = graph.outputs.flatMap((output): GraphOutput[] => {
    const byStage = new Map<number, Node[]>();
    for (const maker of summandsOf(graph, output.value)) {
      const stage = stageOf(maker.source.segment);
      byStage.set(stage, [...(byStage.get(stage) ?? []), maker]);
    }
    if (byStage.size < 2) return [output];
    const stages = [...byStage].sort(([a], [b]) => a - b);
    const made = stages.map(([stage, makers], i): GraphOutput => ({
      name: i === 0 ? output.name : `${output.name} @${stage}`,
      value: sumOf(builder, graph, makers, output.value).id,
    }));
    parts.set(
      output.name,
      made.map(({ name }) => name),
    );
    return made;
  });
  if (parts.size === 0) return { graph, parts };
  return { graph: eliminateDeadCode({ ...builder.build(), outputs }), parts };
}

/** The nodes whose results add up to a value, in the order in which they are added. */
function summandsOf(graph: Graph, value: ValueId): readonly Node[] {
  const { node } = graph.values[value];
  if (!node) return [];
  return isSum(node) ? node.inputs.flatMap((input) => summandsOf(graph, input)) : [node];
}

/** The sum of what these nodes contribute to `total`, on their own stage. */
function sumOf(builder: GraphBuilder, graph: Graph, makers: readonly Node[], total: ValueId): Tensor {
  const { source } = makers[makers.length - 1];
  return builder.at({ ...source, path: graph.values[total].node!.source.path }, () =>
    makers.map((maker) => builder.tensor(resultIn(graph, maker, total))).reduce((sum, one) => sum.add(one)),
  );
}

const isSum = (node: Node): boolean => node.op === 'add' && new Set(node.rule.operands.map(String)).size === 1;

/** The result of a maker that reaches the total through sums. */
function resultIn(graph: Graph, maker: Node, total: ValueId): ValueId {
  const reaches = (value: ValueId): ValueId | undefined => {
    const { node } = graph.values[value];
    if (node === maker) return value;
    return node && isSum(node) ? node.inputs.map(reaches).find((found) => found !== undefined) : undefined;
  };
  return reaches(total)!;
}
