/**
 * A sum over pipeline stages is taken once a step, and not once a microbatch.
 *
 * The gradient of a tied weight adds what the first stage makes to what the last one does. Where an output of the step is such a sum,
 * each stage gives its own part, which it sums over the microbatches; the update adds the parts. So
 * contributions are summed in the order of microbatches within a stage, and across stages once, last.
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
    const byStage = new Map<number, ValueId[]>();
    for (const summand of summandsOf(graph, output.value)) {
      const { node } = graph.values[summand];
      // An input of the graph may be added on any stage.
      const stage = node ? stageOf(node.source.segment) : 0;
      byStage.set(stage, [...(byStage.get(stage) ?? []), summand]);
    }
    if (byStage.size < 2) return [output];
    const stages = [...byStage].sort(([a], [b]) => a - b);
    const made = stages.map(([stage, summands], i): GraphOutput => ({
      name: i === 0 ? output.name : `${output.name} @${stage}`,
      value: sumOf(builder, graph, summands, output.value).id,
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

/** The values that add up to one, in the order in which they are added. */
function summandsOf(graph: Graph, value: ValueId): readonly ValueId[] {
  const { node } = graph.values[value];
  return node && isSum(node) ? node.inputs.flatMap((input) => summandsOf(graph, input)) : [value];
}

const isSum = (node: Node): boolean => node.op === 'add' && new Set(node.rule.operands.map(String)).size === 1;

/** The sum of summands of `total` that one stage makes, on that stage. */
function sumOf(builder: GraphBuilder, graph: Graph, summands: readonly ValueId[], total: ValueId): Tensor {
  const whole = graph.values[total].node!.source;
  const last = graph.values[summands[summands.length - 1]].node?.source ?? whole;
  return builder.at({ ...last, path: whole.path }, () =>
    summands.map((summand) => builder.tensor(summand)).reduce((sum, one) => sum.add(one)),
  );
}
