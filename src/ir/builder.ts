/** Builds graphs: the one place where nodes are made. */
import { checkAttributes } from './attributes.js';
import type { DType } from './dtype.js';
import type {
  Attributes,
  Graph,
  GraphInput,
  GraphOutput,
  InputKind,
  Node,
  Phase,
  Source,
  Value,
  ValueId,
} from './graph.js';
import { DiagnosticError, nearest } from './diagnostic.js';
import { operandRepeatsFactor, residualRead, unknownOp, wrongOperands } from './diagnostics.js';
import { exactText } from './exact_text.js';
import { slotNames, withGiven, type BoundOp, type OpRegistry } from './op.js';
import { kindOf, nameOf, resultRole, roleOfInput, type Role } from './role.js';
import { Tensor, type LetterScope } from './tensor.js';
import { Numbers } from './texts.js';
import { namesOf, printType, type Factor, type FactorName, type TensorType } from './type.js';

export class GraphBuilder {
  readonly registry: OpRegistry;
  readonly name: string;
  /** `cast('f32')` leaves f64 as it is: decompositions, which say f32, then mean f64 in a graph of f64. */
  readonly wide: boolean = true;
  private readonly inputs: GraphInput[] = [];
  private readonly nodes: Node[] = [];
  private readonly outputs: GraphOutput[] = [];
  private readonly values: Value[] = [];
  /** By what decides it, how each op was applied: layers of a model are alike. */
  private readonly applications = new Map<string, Application>();
  private readonly types = new Numbers<TensorType>(printType);
  /** Past autodiff, decompositions may read what ops keep for their backward. */
  private differentiated = false;
  private source: Source = { path: '', phase: 'forward', segment: '' };
  private from: number | null = null;

  constructor(registry: OpRegistry, name = 'step') {
    this.registry = registry;
    this.name = name;
  }

  /** A builder that goes on where `graph` ends; the graph itself stays as it is. */
  static resume(registry: OpRegistry, graph: Graph): GraphBuilder {
    const builder = new GraphBuilder(registry, graph.name);
    builder.differentiated = true;
    for (const input of graph.inputs) builder.inputs.push(input);
    for (const node of graph.nodes) builder.nodes.push(node);
    for (const output of graph.outputs) builder.outputs.push(output);
    for (const value of graph.values) builder.values.push(value);
    return builder;
  }

  get path(): string {
    return this.source.path;
  }

  typeOf(id: ValueId): TensorType {
    return this.values[id].type;
  }

  /** Adds a graph input: a parameter, what the host writes, or a result of another graph. */
  input(name: string, kind: Exclude<InputKind, 'state'>, type: TensorType): Tensor {
    return this.take(roleOfInput(name, kind), type);
  }

  /** Adds a graph input by its role. */
  take(role: Role, type: TensorType): Tensor {
    const value = this.value(type, null);
    this.inputs.push({ role, name: nameOf(role), kind: kindOf(role), value: value.id });
    return this.tensor(value.id);
  }

  /** Adds a graph output: a result, or what has another role. */
  output(what: string | Role, tensor: Tensor): void {
    const role = typeof what === 'string' ? resultRole(what) : what;
    this.outputs.push({ role, name: nameOf(role), value: tensor.id });
  }

  /** A handle on a value under its type's own names. */
  tensor(id: ValueId, scope?: LetterScope): Tensor {
    return new Tensor(this, id, namesOf(this.typeOf(id)), scope);
  }

  /** Adds a node. Scopes are inherited from the first operand. */
  apply(op: string, operands: readonly Tensor[], given: Attributes = {}): readonly Tensor[] {
    const key = this.applicationKey(op, operands, given);
    let application = this.applications.get(key);
    if (!application) this.applications.set(key, (application = this.bind(op, operands, given)));
    if (!this.differentiated) for (const operand of operands) this.refuseResidual(operand.id, op);
    const { op: named, attributes, rule, results } = application;
    const inputs = operands.map((t) => t.id);
    const node = this.push({ op: named, inputs, attributes, rule, source: this.source, from: this.from }, results);
    const scope = operands[0]?.scope;
    return node.outputs.map((id, i) => new Tensor(this, id, rule.results[i], scope));
  }

  /** Equal for operands of equal types and names, and equal attributes. */
  private applicationKey(op: string, operands: readonly Tensor[], given: Attributes): string {
    let key = op;
    for (const { type, names } of operands) key += ` (${this.types.of(type)} ${names.join(' ')})`;
    for (const name of Object.keys(given)) key += ` ${name}=${exactText(given[name])}`;
    return key;
  }

  /** Checks how an op is applied, and binds it. */
  private bind(op: string, operands: readonly Tensor[], given: Attributes): Application {
    const known = this.registry.get(op);
    if (!known) throw unknownOp({ op, nearest: nearest(op, this.registry.keys()), path: this.path });
    const definition = this.placed(() => withGiven(known, given));
    if (slotNames(definition.operands, operands.length).length !== operands.length) {
      throw wrongOperands({ op, wants: definition.operands, given: operands.length, path: this.path });
    }
    for (const { names } of operands) {
      const factor = names.find((name, i) => names.indexOf(name) < i);
      if (factor !== undefined) throw operandRepeatsFactor({ op, factor, names, path: this.path });
    }
    checkAttributes(op, definition.attributeKinds ?? {}, given, this.path);
    const attributes = { ...definition.attributes, ...given };
    const call = { operands: operands.map((t) => t.type), names: operands.map((t) => t.names), attributes };
    return { op: definition.name, attributes, ...this.placed(() => definition.bind(call)) };
  }

  /** Adds a node whose rule is known: how passes copy nodes between graphs. */
  push(node: Omit<Node, 'id' | 'outputs'>, results: readonly TensorType[]): Node {
    const outputs: ValueId[] = [];
    const { op, inputs, attributes, rule, source, from } = node;
    const made: Node = { id: this.nodes.length, op, inputs, outputs, attributes, rule, source, from };
    this.nodes.push(made);
    for (const type of results) outputs.push(this.value(type, made).id);
    return made;
  }

  /** A constant tensor: every element is `value`. */
  fill(value: number, dtype: DType, factors: readonly Factor[], scope?: LetterScope): Tensor {
    const [made] = this.apply('fill', [], { value, dtype, ...factorAttributes(factors) });
    return new Tensor(this, made.id, made.names, scope);
  }

  /** 0, 1, 2, … along one factor, counted globally. */
  iota(factor: Factor, dtype: DType, scope?: LetterScope): Tensor {
    const [made] = this.apply('iota', [], { dtype, ...factorAttributes([factor]) });
    return new Tensor(this, made.id, made.names, scope);
  }

  /** The global index along several factors taken as one, major first. */
  index(factors: readonly Factor[], dtype: DType, scope?: LetterScope): Tensor {
    let index: Tensor | null = null;
    let stride = 1;
    for (const factor of [...factors].reverse()) {
      const counted = this.iota(factor, dtype, scope);
      const term = stride === 1 ? counted : counted.mul(stride);
      index = index ? term.add(index) : term;
      stride *= factor.size;
    }
    return index ? index.transpose(factors.map((f) => f.name)) : this.fill(0, dtype, [], scope);
  }

  /** Runs `body` with nodes attributed to a module path below the current one. */
  within<T>(path: string, body: () => T): T {
    return this.at({ path: this.source.path ? `${this.source.path}.${path}` : path }, body);
  }

  /** Runs `body` with nodes attributed to a place in the source. */
  at<T>(source: Partial<Source>, body: () => T, from: number | null = this.from): T {
    const [savedSource, savedFrom] = [this.source, this.from];
    this.source = { ...savedSource, ...source };
    this.from = from;
    try {
      return body();
    } finally {
      this.source = savedSource;
      this.from = savedFrom;
    }
  }

  phase<T>(phase: Phase, body: () => T): T {
    return this.at({ phase }, body);
  }

  build(): Graph {
    return {
      name: this.name,
      inputs: [...this.inputs],
      nodes: [...this.nodes],
      outputs: [...this.outputs],
      values: [...this.values],
    };
  }

  /** What has been built so far, for passes that read while they write (autodiff). */
  nodesSoFar(): readonly Node[] {
    return this.nodes;
  }

  valueAt(id: ValueId): Value {
    return this.values[id];
  }

  /** Runs `bind`; what it refuses is told with the place in the model. */
  private placed<T>(bind: () => T): T {
    try {
      return bind();
    } catch (error) {
      if (!(error instanceof DiagnosticError)) throw error;
      const where = [{ at: this.path || 'model' }];
      throw new DiagnosticError(error.code, { ...error.diagnostic, where }, { cause: error });
    }
  }

  /** Residuals have no cotangent: nothing but the op's own backward may read them. */
  private refuseResidual(id: ValueId, reader: string): void {
    const { node } = this.values[id];
    const definition = node && this.registry.get(node.op);
    if (!node || !definition?.residuals?.length || reader === definition.backwardOp) return;
    const residual = slotNames(definition.results, node.outputs.length)[node.outputs.indexOf(id)];
    if (!definition.residuals.includes(residual)) return;
    throw residualRead({ op: node.op, residual, reader, path: this.source.path });
  }

  private value(type: TensorType, node: Node | null): Value {
    const value: Value = { id: this.values.length as ValueId, type, node };
    this.values.push(value);
    return value;
  }
}

/** What a node has of its op, whichever values it is applied to. */
interface Application extends BoundOp {
  /** As the registry names it. */
  readonly op: string;
  readonly attributes: Attributes;
}

/** Factors as attributes: how fill, iota and random state the factors they make. */
export function factorAttributes(factors: readonly Factor[]): {
  names: readonly FactorName[];
  sizes: readonly number[];
} {
  return { names: factors.map((f) => f.name), sizes: factors.map((f) => f.size) };
}
