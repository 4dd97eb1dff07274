/** A graph written anew, node by node: most are copied, some are replaced by what a pass builds. */
import { GraphBuilder } from '../ir/builder.js';
import type { Attributes, Graph, Node, ValueId } from '../ir/graph.js';
import type { OpRegistry } from '../ir/op.js';
import type { Tensor } from '../ir/tensor.js';

/** By subclasses: what stands for a node. */
export abstract class GraphRewrite {
  protected readonly graph: Graph;
  protected readonly builder: GraphBuilder;
  /** By value of the graph, what stands for it. */
  protected readonly values: ValueId[] = [];
  /** Of each node what stands for it, one node or several. */
  protected readonly made: (readonly Node[])[] = [];

  constructor(graph: Graph, registry: OpRegistry) {
    this.graph = graph;
    this.builder = GraphBuilder.resume(registry, { name: graph.name, inputs: [], nodes: [], outputs: [], values: [] });
  }

  run(): Graph {
    const { graph, builder, values } = this;
    for (const { role, value } of graph.inputs) values[value] = builder.take(role, graph.values[value].type).id;
    this.readInputs();
    for (const node of graph.nodes) this.made.push(this.rewrite(node));
    for (const { role, value } of graph.outputs) builder.output(role, this.output(value));
    return builder.build();
  }

  /** The nodes that stand for one. What stands for its results is to be set. */
  protected abstract rewrite(node: Node): readonly Node[];

  /** What is to be made of inputs before anything reads them. */
  protected readInputs(): void {}

  /** What is given for an output. */
  protected output(value: ValueId): Tensor {
    return this.builder.tensor(this.values[value]);
  }

  /** The node as it is, or with other attributes under the same rule. */
  protected copy(node: Node, attributes: Attributes = node.attributes): Node {
    const inputs = node.inputs.map((id) => this.values[id]);
    const types = node.outputs.map((id) => this.graph.values[id].type);
    const copy = this.builder.push({ ...node, inputs, attributes, from: this.forwardOf(node, 0) }, types);
    node.outputs.forEach((id, i) => (this.values[id] = copy.outputs[i]));
    return copy;
  }

  /** The node of the forward that one of a backward differentiates, where that is several the one in this place. */
  protected forwardOf({ from }: Node, place: number): number | null {
    if (from === null) return null;
    const nodes = this.made[from];
    return nodes[Math.min(place, nodes.length - 1)].id;
  }

  /** Operands of a node, by the names that it has for their factors. */
  protected operandsOf(node: Node): readonly Tensor[] {
    return node.inputs.map((id, i) => this.builder.tensor(this.values[id]).as(node.rule.operands[i]));
  }
}
