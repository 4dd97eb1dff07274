/**
 * Mixed precision as a graph pass: f32 master parameters, compute in bf16, statistics, losses and parameter gradients in f32.
 *
 * After autodiff, before the plan is applied. Parameters are cast where ops read them; types then follow from each op's own signature
 * (a `float` result has its operand's type, an `f32` result stays f32). What becomes a parameter's gradient is asked for in f32, which
 * a product gives from its f32 accumulator without rounding in between. A parameter that only fused ops read (gains and biases of
 * norms) stays f32: such kernels take any float.
 */
import { GraphBuilder } from '../ir/builder.js';
import { isFloat, type DType } from '../ir/dtype.js';
import type { Attributes, Graph, Node, ValueId } from '../ir/graph.js';
import { opNamed, type OpRegistry } from '../ir/op.js';
import { Tensor } from '../ir/tensor.js';
import { eliminateDeadCode } from './eliminate_dead_code.js';
import { sumsInto } from './sums.js';

export function applyPrecision(graph: Graph, registry: OpRegistry, compute: 'bf16' | 'f16'): Graph {
  return eliminateDeadCode(new Rewrite(graph, registry, compute).run());
}

class Rewrite {
  private readonly graph: Graph;
  private readonly builder: GraphBuilder;
  private readonly compute: DType;
  private readonly mapped = new Map<ValueId, ValueId>();
  private readonly nodes = new Map<number, Node>();
  private readonly gradients: ReadonlySet<ValueId>;

  constructor(graph: Graph, registry: OpRegistry, compute: DType) {
    this.graph = graph;
    this.builder = new GraphBuilder(registry, graph.name);
    this.compute = compute;
    this.gradients = sumsInto(
      graph,
      graph.outputs.filter((o) => o.name.startsWith('gradient.')).map((o) => o.value),
    );
  }

  run(): Graph {
    const { graph, builder } = this;
    const casts = graph.inputs.filter((input) => input.kind === 'parameter' && this.isCast(input.value));
    for (const { name, kind, value } of graph.inputs) {
      this.mapped.set(value, builder.input(name, kind, graph.values[value].type).id);
    }
    for (const { value, name } of casts) {
      const reader = graph.nodes.find((node) => node.inputs.includes(value))!;
      builder.at({ ...reader.source, path: name, phase: 'forward' }, () => {
        this.mapped.set(value, builder.tensor(this.mapped.get(value)!).cast(this.compute).id);
      });
    }
    for (const node of graph.nodes) this.rebuild(node);
    for (const { name, value } of graph.outputs) {
      const dtype = graph.values[value].type.dtype;
      // Where the value is made: the forward of a validation step has no backward after it.
      const maker = graph.nodes.find((node) => node.outputs.includes(value));
      const result = () => builder.tensor(this.mapped.get(value)!).cast(dtype);
      builder.output(name, maker ? builder.at({ ...maker.source, path: name }, result) : result());
    }
    return builder.build();
  }

  private rebuild(node: Node): void {
    const { builder } = this;
    const operands = node.inputs.map((id, i) => new Tensor(builder, this.mapped.get(id)!, node.rule.operands[i]));
    const from = node.from === null ? null : this.nodes.get(node.from)!.id;
    const attributes = this.attributes(node);
    const position = builder.nodesSoFar().length;
    const results = builder.at(node.source, () => builder.apply(node.op, operands, attributes), from);
    this.nodes.set(node.id, builder.nodesSoFar()[position]);
    node.outputs.forEach((id, i) => this.mapped.set(id, results[i].id));
  }

  /** Where an op's attributes state element types, they follow the operands; what becomes a gradient is asked for in its own type. */
  private attributes(node: Node): Attributes {
    const attributes = { ...node.attributes };
    if (Array.isArray(attributes.dtypes) && node.from !== null) {
      const forward = this.nodes.get(node.from)!;
      attributes.dtypes = forward.inputs.map((id) => this.builder.typeOf(id).dtype);
    }
    if (!opNamed(this.builder.registry, node.op).choosesDtype) return attributes;
    if (attributes.dtype !== undefined && this.isCompute(node)) attributes.dtype = this.compute;
    const gradient = node.outputs.find((id) => this.gradients.has(id));
    if (gradient !== undefined) attributes.dtype = this.graph.values[gradient].type.dtype;
    return attributes;
  }

  private isCompute(node: Node): boolean {
    return node.inputs.some((id) => this.builder.typeOf(this.mapped.get(id)!).dtype === this.compute);
  }

  private isCast(value: ValueId): boolean {
    const readers = this.graph.nodes.filter((node) => node.inputs.includes(value));
    return (
      readers.some((node) => !opNamed(this.builder.registry, node.op).signature) &&
      isFloat(this.graph.values[value].type.dtype)
    );
  }
}
