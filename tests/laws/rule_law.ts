/**
 * The law of rules: an op run on every rank's own blocks, put together as its rule says, is the op run whole.
 *
 * Operands are cut by `operandLayout` (a partial one into random summands), the reference kernel runs on each rank with its block's
 * sizes and origins, and results are put together by `resultLayout`. Nothing else of the compiler takes part.
 */
import type { Graph, Node } from '../../src/ir/graph.js';
import { printLayout, printSplit, rangeOf } from '../../src/ir/layout.js';
import { coordinatesOf, meshRanks, partIndex, printMesh, type Mesh } from '../../src/ir/mesh.js';
import { operandLayout, resultLayout, splitOf, type Assignment, type OpRule } from '../../src/ir/rule.js';
import { elementsOf, namesOf, printType, type TensorType } from '../../src/ir/type.js';
import type { ReferenceKernels } from '../../src/ops/evaluate.js';
import { launchOf } from '../../src/ops/launch.js';
import { printElement, shardPieces, unshard, type Blocks } from '../../src/reshard/index.js';
import { uniform } from '../scenarios/scenario.js';

/** One node of a graph whose values are known, and how it is spread. */
export interface SpreadNode {
  readonly graph: Graph;
  readonly node: Node;
  /** Every value of the graph by id; those of the node's operands are read. */
  readonly values: readonly Float64Array[];
  readonly mesh: Mesh;
  readonly assignment: Assignment;
  /** The rule under trial, where it is not the node's own. */
  readonly rule?: OpRule;
}

/** Where the two runs first part, as a story; null where they agree. */
export function ruleFault(spread: SpreadNode, kernels: ReferenceKernels): string | null {
  const { graph, node, values, mesh, assignment, rule = node.rule } = spread;
  const whole = kernels(launchOf(graph, node, values));
  const types = node.outputs.map((id) => graph.values[id].type);
  let results: readonly Blocks[];
  try {
    results = runOnRanks(spread, rule, kernels);
  } catch (error) {
    return story(spread, rule, `it cannot run: ${(error as Error).message.split('\n')[0]}`);
  }
  for (const [i, type] of types.entries()) {
    const layout = resultLayout(rule, assignment, i, namesOf(type));
    const name = node.outputs.length > 1 ? `result ${i} ` : 'result ';
    let together: Float64Array;
    try {
      together = unshard(mesh, type, layout, results[i]);
    } catch (error) {
      return story(spread, rule, `${name}${printLayout(layout, type)}: ${(error as Error).message.split('\n')[0]}`);
    }
    const at = firstDifference(whole[i], together);
    if (at !== null) {
      const where = `${name}${printLayout(layout, type)} ${printElement(type, at)}`;
      return story(spread, rule, `${where}  whole ${whole[i][at]}  put together ${together[at]}`);
    }
  }
  return null;
}

/** result → one block a rank. */
function runOnRanks(spread: SpreadNode, rule: OpRule, kernels: ReferenceKernels): readonly Blocks[] {
  const { graph, node, values, mesh, assignment } = spread;
  const operands = node.inputs.map((id, i) => pieces(spread, rule, i, graph.values[id].type, values[id]));
  const ranks = Array.from({ length: meshRanks(mesh) }, (_, rank) => {
    const at = coordinatesOf(mesh, rank);
    const ranges = Object.entries(rule.factors).map(
      ([name, { size }]) => [name, rangeOf(mesh, splitOf(rule, assignment, name), size, at)] as const,
    );
    return kernels({
      ...launchOf(graph, node, values),
      rule,
      sizes: Object.fromEntries(ranges.map(([name, [from, to]]) => [name, to - from])),
      origins: Object.fromEntries(
        ranges.flatMap(([name, [from]]) => (rule.origins.includes(name) ? [[name, from]] : [])),
      ),
      inputs: operands.map((blocks) => blocks[rank]),
    });
  });
  return node.outputs.map((_, i) => ranks.map((results) => results[i]));
}

/** The blocks of an operand. One that is partial is a sum of arbitrary terms, one a rank along its partial axes. */
function pieces(spread: SpreadNode, rule: OpRule, operand: number, type: TensorType, value: Float64Array): Blocks {
  const { mesh, assignment } = spread;
  const layout = operandLayout(rule, assignment, operand, namesOf(type));
  const axes = Object.keys(layout.partial);
  const parts = axes.reduce((n, axis) => n * (mesh.axes.find((a) => a.name === axis)?.size ?? 1), 1);
  const terms = Array.from({ length: parts }, (_, part) =>
    Float64Array.from({ length: elementsOf(type) }, (_, k) => uniform(`${operand} ${part} ${k}`) - 0.5),
  );
  terms[0] = value.map((x, k) => terms.slice(1).reduce((rest, term) => rest - term[k], x));
  return shardPieces(mesh, type, layout, (at) => terms[partIndex(mesh, axes, at)]);
}

/** The first element that differs by more than rounding: 1e-9 of the tensor's norm. Infinities and NaNs must be equal. */
export function firstDifference(expected: Float64Array, actual: Float64Array): number | null {
  const finite = expected.filter(Number.isFinite);
  const limit = 1e-9 * Math.hypot(...finite) + 1e-12;
  const differs = (x: number, i: number) => !Object.is(x, actual[i]) && !(Math.abs(x - actual[i]) <= limit);
  const at = expected.findIndex(differs);
  return at < 0 ? null : at;
}

function story({ graph, node, mesh, assignment }: SpreadNode, rule: OpRule, first: string): string {
  const operands = node.inputs.map((id, i) => {
    const { type } = graph.values[id];
    return `${printType(type)} ${printLayout(operandLayout(rule, assignment, i, namesOf(type)), type)}`;
  });
  const splits = Object.entries(assignment.splits).map(([factor, split]) => `${factor}: ${printSplit(split)}`);
  const through = Object.entries(assignment.through).map(
    ([axis, set]) => `${axis}: partial sums through operands ${rule.linear[set].join(' and ')}`,
  );
  return [
    '',
    `  op       ${node.op} ${JSON.stringify(node.attributes)}`,
    ...operands.map((text, i) => `  operand  ${i}: ${text}, as ${rule.operands[i].join(' ') || 'a number'}`),
    `  mesh     ${printMesh(mesh)}`,
    `  roles    ${[...splits, ...through].join(', ') || 'none'}`,
    `  first    ${first}`,
  ].join('\n');
}
