/** A graph written anew by a pass that moves nodes or makes some twice: all else is copied as it is. */
import type { Graph, Node, Value, ValueId } from '../ir/graph.js';

export class GraphCopy {
  private readonly graph: Graph;
  private readonly nodes: Node[] = [];
  private readonly values: Value[] = [];
  /** By id in the graph, that of the copy. */
  private readonly nodeIds: number[];
  private readonly valueIds: ValueId[];

  /** Of the graph's inputs, and as yet of no node. */
  constructor(graph: Graph) {
    this.graph = graph;
    this.nodeIds = new Array<number>(graph.nodes.length);
    this.valueIds = new Array<ValueId>(graph.values.length);
    for (const { value } of graph.inputs) this.valueIds[value] = this.value(value, null);
  }

  /** Puts a node where the copy ends: what it makes stands for what it makes in the graph. */
  put(node: Node, changes: Changes = {}): void {
    const made = this.again(node, changes);
    this.nodeIds[node.id] = made.id;
    node.outputs.forEach((id, i) => (this.valueIds[id] = made.outputs[i]));
  }

  /** Puts a node besides that which stands for it. */
  again(node: Node, { inputs = this.idsOf(node.inputs), source = node.source }: Changes): Node {
    const from = node.from === null ? null : this.nodeIds[node.from];
    const outputs: ValueId[] = [];
    const made: Node = { ...node, id: this.nodes.length, inputs, outputs, source, from };
    this.nodes.push(made);
    for (const id of node.outputs) outputs.push(this.value(id, made));
    return made;
  }

  /** What stands for values of the graph. */
  idsOf(values: readonly ValueId[]): readonly ValueId[] {
    return values.map((id) => this.valueIds[id]);
  }

  /** With the graph's outputs. */
  build(): Graph {
    const { name, inputs, outputs } = this.graph;
    const copied = <T extends { readonly value: ValueId }>(one: T): T => ({ ...one, value: this.valueIds[one.value] });
    return { name, inputs: inputs.map(copied), nodes: this.nodes, outputs: outputs.map(copied), values: this.values };
  }

  private value(of: ValueId, node: Node | null): ValueId {
    const id = this.values.length as ValueId;
    this.values.push({ id, type: this.graph.values[of].type, node });
    return id;
  }
}

/** What is another of a node. Inputs are values of the copy. */
type Changes = Partial<Pick<Node, 'inputs' | 'source'>>;
