/**
 * Mixed precision as a graph pass: f32 master parameters, compute in bf16, statistics and losses in f32, parameter gradients in f32 or bf16.
 *
 * After autodiff, before the plan is applied. Parameters are cast where ops read them; types then follow from each op's own signature
 * (a `float` result has its operand's type, an `f32` result stays f32). What becomes a parameter's gradient, and what an op's signature
 * reads as `f32` (the logits of a softmax), is asked for in f32, which a product gives from its f32 accumulator without rounding in
 * between. A product that sums takes its operands in one type: where one of them is in the compute type, all are. A parameter that only
 * fused ops read (gains and biases of norms) stays f32, and its gradient with it: such kernels take any float.
 */
import { GraphBuilder } from '../ir/builder.js';
import { isFloat, type DType } from '../ir/dtype.js';
import { readersOf, type Attributes, type Graph, type GraphInput, type Node, type ValueId } from '../ir/graph.js';
import { opNamed, opOf, type OpRegistry } from '../ir/op.js';
import { ownerOf, type Role } from '../ir/role.js';
import type { OpRule } from '../ir/rule.js';
import { Tensor } from '../ir/tensor.js';
import { eliminateDeadCode } from './eliminate_dead_code.js';
import { sumsInto } from './sums.js';

/** In which type gradients of parameters that are cast leave the step: the parameters' own, or that of activations. */
export type GradientTypes = 'master' | 'compute';

/** `compute`: the type of activations, narrower than the parameters'. */
export function applyPrecision(
  graph: Graph,
  registry: OpRegistry,
  compute: 'bf16' | 'f16' | 'f32',
  gradients: GradientTypes = 'master',
): Graph {
  return eliminateDeadCode(new Rewrite(graph, registry, compute, gradients).run());
}

class Rewrite {
  private readonly graph: Graph;
  private readonly builder: GraphBuilder;
  private readonly compute: DType;
  private readonly readers: (value: ValueId) => readonly Node[];
  /** Parameters that ops other than fused ones read. */
  private readonly cast: readonly GraphInput[];
  /** Parameters whose gradients leave the step in the compute type, by name. */
  private readonly narrow: ReadonlySet<string>;
  private readonly mapped = new Map<ValueId, ValueId>();
  private readonly nodes = new Map<number, Node>();
  /** Values asked for in the type they have in the traced graph. */
  private readonly wide: ReadonlySet<ValueId>;
  /** Values in another type than the one they have: `id dtype` → the cast. */
  private readonly casts = new Map<string, Tensor>();
  /** For each node of the traced graph, what it was given in place of an operand; its backward is given the same. */
  private readonly given = new Map<number, Map<ValueId, Tensor>>();

  constructor(graph: Graph, registry: OpRegistry, compute: DType, types: GradientTypes) {
    this.graph = graph;
    this.builder = new GraphBuilder(registry, graph.name);
    this.compute = compute;
    this.readers = readersOf(graph);
    this.cast = graph.inputs.filter(({ kind, value }) => kind === 'parameter' && this.isCast(value));
    this.narrow = new Set(types === 'compute' ? this.cast.map(({ role }) => ownerOf(role)!) : []);
    const gradients = graph.outputs.filter(({ role }) => role.kind === 'gradient' && !this.isNarrow(role));
    const read = graph.nodes.flatMap((node) => node.inputs.filter((_, i) => this.readsWide(node, i)));
    const given = gradients.map(({ value }) => value);
    this.wide = new Set([...sumsInto(graph, given), ...read]);
  }

  run(): Graph {
    const { graph, builder } = this;
    for (const { role, value } of graph.inputs) {
      this.mapped.set(value, builder.take(role, graph.values[value].type).id);
    }
    for (const { value, name } of this.cast) {
      const [reader] = this.readers(value);
      builder.at({ ...reader.source, path: name, phase: 'forward' }, () => {
        this.mapped.set(value, builder.tensor(this.mapped.get(value)!).exactly(this.compute).id);
      });
    }
    for (const node of graph.nodes) this.rebuild(node);
    for (const { role, name, value } of graph.outputs) {
      // Where the value is made: the forward of a validation step has no backward after it.
      const { type, node: maker } = graph.values[value];
      const dtype = this.isNarrow(role) ? this.compute : type.dtype;
      const made = builder.tensor(this.mapped.get(value)!);
      // Each rank's part is summed in the type, where it is a part.
      const result = () =>
        this.isNarrow(role) && made.dtype !== dtype ? made.apply('cast_addends', [], { dtype }) : made.exactly(dtype);
      builder.output(role, maker ? builder.at({ ...maker.source, path: name }, result) : result());
    }
    return builder.build();
  }

  private rebuild(node: Node): void {
    const { builder } = this;
    const before = node.from === null ? undefined : this.given.get(node.from);
    const given = new Map<ValueId, Tensor>();
    const operands = node.inputs.map((id, i) => {
      const operand = before?.get(id) ?? this.operand(node, i);
      if (operand.id !== this.mapped.get(id)) given.set(id, operand);
      return new Tensor(builder, operand.id, node.rule.operands[i]);
    });
    this.given.set(node.id, given);
    const from = node.from === null ? null : this.nodes.get(node.from)!.id;
    const attributes = this.attributes(node);
    const position = builder.nodesSoFar().length;
    const results = builder.at(node.source, () => builder.apply(node.op, operands, attributes), from);
    this.nodes.set(node.id, builder.nodesSoFar()[position]);
    node.outputs.forEach((id, i) => this.mapped.set(id, results[i].id));
  }

  /** An operand in the type that the op takes it in. */
  private operand(node: Node, i: number): Tensor {
    const { builder, compute } = this;
    const value = builder.tensor(this.mapped.get(node.inputs[i])!);
    const inCompute = this.choosesDtype(node) && sums(node.rule) && this.isCompute(node);
    // What is at least f32 has the digits that a statistic is asked for in, whatever the traced graph computed it in.
    const isWide = value.dtype === 'f32' || value.dtype === 'f64';
    const wide = isWide ? null : this.graph.values[node.inputs[i]].type.dtype;
    const wanted = this.readsWide(node, i) ? wide : inCompute ? compute : null;
    if (wanted === null || !isFloat(value.dtype) || value.dtype === wanted) return value;
    const key = `${value.id} ${wanted}`;
    const cast = this.casts.get(key) ?? builder.at(node.source, () => value.exactly(wanted));
    this.casts.set(key, cast);
    return cast;
  }

  /** Where an op's attributes state element types, they follow the operands; what becomes a gradient is asked for in its own type. */
  private attributes(node: Node): Attributes {
    const attributes = { ...node.attributes };
    if (Array.isArray(attributes.dtypes) && node.from !== null) {
      const forward = this.nodes.get(node.from)!;
      attributes.dtypes = forward.inputs.map((id) => this.builder.typeOf(id).dtype);
    }
    if (!this.choosesDtype(node)) return attributes;
    if (attributes.dtype !== undefined && this.isCompute(node)) attributes.dtype = this.compute;
    const wide = node.outputs.find((id) => this.wide.has(id));
    if (wide !== undefined) attributes.dtype = this.graph.values[wide].type.dtype;
    return attributes;
  }

  /** True where the op's signature asks for f32 at operand `i`. */
  private readsWide(node: Node, i: number): boolean {
    return opOf(this.builder.registry, node).signature?.operands[i].class === 'f32';
  }

  private choosesDtype(node: Node): boolean {
    return opNamed(this.builder.registry, node.op).choosesDtype === true;
  }

  private isCompute(node: Node): boolean {
    return node.inputs.some((id) => this.builder.typeOf(this.mapped.get(id)!).dtype === this.compute);
  }

  private isNarrow(role: Role): boolean {
    return role.kind === 'gradient' && this.narrow.has(role.of);
  }

  private isCast(value: ValueId): boolean {
    return (
      isFloat(this.graph.values[value].type.dtype) &&
      this.readers(value).some((node) => !opNamed(this.builder.registry, node.op).signature)
    );
  }
}

/** True where factors of operands are summed. */
const sums = ({ operands, results: [result] }: OpRule): boolean =>
  operands.some((names) => names.some((name) => !result.includes(name)));
