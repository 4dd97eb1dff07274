/**
 * Graph + plan → placed graph.
 *
 * One walk in graph order. Each op gets the cheapest of its candidate assignments: the price of bringing operands into the layouts it
 * needs, its own work, the debt of a result left partial, and a forfeit for work that ranks repeat (`sharing.ts`). A fused op whose whole
 * factor the choice splits is replaced by its decomposition, whose parts are assigned in turn. Nothing here names an op, an axis or a
 * model.
 */
import { GraphBuilder } from '../ir/builder.js';
import type { Graph, GraphOutput, Node, Source, ValueId } from '../ir/graph.js';
import type { Layout } from '../ir/layout.js';
import { axesSize, type AxisName, type Mesh } from '../ir/mesh.js';
import type { OpDefinition, OpRegistry } from '../ir/op.js';
import { opNamed, slotNames } from '../ir/op.js';
import type { Role } from '../ir/role.js';
import { operandLayout, resultLayout, splitsWhole, type Assignment, type OpRule } from '../ir/rule.js';
import { Tensor } from '../ir/tensor.js';
import { namesOf, type TensorType } from '../ir/type.js';
import { sumsInto } from '../passes/sums.js';
import { splitCandidates, throughCandidates, type CandidateOptions, type Splits } from './candidates.js';
import type { PartitionCosts } from './costs.js';
import { noAssignment, noReshard } from './diagnostics.js';
import type { PlacedGraph, PlacedOutput } from './placed.js';
import { axesToShare, type Sharing } from './sharing.js';
import { Versions, type Quote } from './versions.js';

/** Everything the walk asks of the plan. */
export interface Placement {
  readonly meshes: readonly Mesh[];
  /** The group an op runs on. */
  group(source: Source): number;
  /** Where an input lies: its layout on every group that stores it. */
  input(role: Role, type: TensorType): readonly { readonly group: number; readonly layout: Layout }[];
  /** The layout an output must have, on each group that wants it; null leaves it as it comes. */
  output(role: Role, type: TensorType): readonly { readonly group: number; readonly layout: Layout }[] | null;
  /** How the plan lays a value out on a group's mesh by the names of its factors: how one that no op of the group has made is met. */
  arrival(group: number, type: TensorType): Layout;
  /** The factors that the plan splits, and which of them data come with: whom work that has them is to be shared by. */
  readonly sharing: Sharing;
  /** Splits the plan fixes for an op, by factor of its rule; null where it leaves the choice. */
  hint(node: HintRequest): Splits | null;
  /** True where whatever reads an input takes it reduced, although a sum could pass through: it is to travel as it is. */
  travels(role: Role): boolean;
}

export interface HintRequest {
  readonly source: Source;
  readonly rule: OpRule;
  /** Operand → the graph input that it is, or null. */
  readonly inputs: readonly (Role | null)[];
}

export interface PartitionOptions {
  /** Fused ops that the target has no kernel for are replaced by their decomposition. Default: it has all. */
  readonly hasKernel?: (op: string, rule: OpRule) => boolean;
}

export function partition(
  graph: Graph,
  registry: OpRegistry,
  placement: Placement,
  costs: PartitionCosts,
  options: PartitionOptions = {},
): PlacedGraph {
  return new Walk(graph, registry, placement, costs, options.hasKernel ?? (() => true)).run();
}

class Walk {
  private readonly graph: Graph;
  private readonly builder: GraphBuilder;
  private readonly placement: Placement;
  private readonly costs: PartitionCosts;
  private readonly versions: Versions;
  /** Results of decomposed ops → the values that replace them. */
  private readonly replaced = new Map<ValueId, ValueId>();
  private readonly chosen = new Map<number, Assignment>();
  private readonly hasKernel: NonNullable<PartitionOptions['hasKernel']>;
  private readonly roles: ReadonlyMap<ValueId, Role>;
  private readonly travels: ReadonlySet<ValueId>;
  /** Values that add up to outputs which are taken as they come: leaving them partial makes no debt. */
  private readonly anyLayout: ReadonlySet<ValueId>;

  constructor(
    graph: Graph,
    registry: OpRegistry,
    placement: Placement,
    costs: PartitionCosts,
    hasKernel: NonNullable<PartitionOptions['hasKernel']>,
  ) {
    this.graph = graph;
    this.hasKernel = hasKernel;
    this.roles = new Map(graph.inputs.map((input) => [input.value, input.role]));
    this.travels = new Set(graph.inputs.flatMap(({ role, value }) => (placement.travels(role) ? [value] : [])));
    this.builder = GraphBuilder.resume(registry, graph);
    const free = graph.outputs.filter(({ role, value }) => placement.output(role, this.builder.typeOf(value)) === null);
    this.anyLayout = sumsInto(
      graph,
      free.map((output) => output.value),
    );
    this.placement = placement;
    this.costs = costs;
    this.versions = new Versions(
      placement.meshes,
      costs,
      (value) => this.nameOf(value),
      (group, type) => placement.arrival(group, type),
    );
  }

  run(): PlacedGraph {
    for (const input of this.graph.inputs) {
      const type = this.builder.typeOf(input.value);
      for (const { group, layout } of this.placement.input(input.role, type)) {
        this.versions.declareInput(input, type, layout, group);
      }
    }
    for (const node of this.graph.nodes) this.place(node, null);
    const outputs = this.graph.outputs.flatMap((output) => this.deliver(output, this.resolve(output.value)));
    return {
      name: this.graph.name,
      meshes: this.placement.meshes,
      values: this.versions.values,
      inputs: this.versions.inputs,
      steps: this.versions.steps,
      outputs,
    };
  }

  private place(node: Node, inherited: Splits | null): void {
    const definition = opNamed(this.builder.registry, node.op);
    const group = this.placement.group(node.source);
    const assignment = this.choose(node, definition, group, inherited);
    this.chosen.set(node.id, assignment);
    const missing = definition.decompose !== undefined && !this.hasKernel(node.op, node.rule);
    if (missing || splitsWhole(node.rule, assignment)) this.inline(node, definition, assignment);
    else this.emit(node, group, assignment);
  }

  private choose(node: Node, definition: OpDefinition, group: number, inherited: Splits | null): Assignment {
    const { rule } = node;
    const mesh = this.placement.meshes[group];
    const forward = node.from === null ? null : (this.chosen.get(node.from)?.splits ?? null);
    const options: CandidateOptions = {
      mesh,
      rule,
      decomposable: definition.decompose !== undefined,
      hint: this.placement.hint({
        source: node.source,
        rule,
        inputs: node.inputs.map((input) => this.roles.get(input) ?? null),
      }),
      inherited: inherited ?? forward,
      operands: node.inputs.map((input) => {
        const value = this.resolve(input);
        const type = this.builder.typeOf(value);
        return this.versions.offers(value, type, group).map((layout) => ({ layout, names: namesOf(type) }));
      }),
      results: node.outputs.map((output) => {
        const type = this.builder.typeOf(output);
        return { layout: this.placement.arrival(group, type), names: namesOf(type) };
      }),
      shared: this.axesToShare(node, definition, mesh),
    };
    const reduced = node.inputs.some((input) => this.travels.has(input));
    let best: { assignment: Assignment; seconds: number } | null = null;
    for (const splits of splitCandidates(options)) {
      for (const assignment of reduced ? [{ splits, through: {} }] : throughCandidates(options, splits)) {
        const seconds = this.price(node, definition, group, assignment, options, best?.seconds ?? Infinity);
        if (seconds < (best?.seconds ?? Infinity)) best = { assignment, seconds };
      }
    }
    if (!best) throw noAssignment({ op: node.op, source: node.source });
    return best.assignment;
  }

  private axesToShare(node: Node, definition: OpDefinition, mesh: Mesh): readonly AxisName[] {
    const { rule, attributes } = node;
    const types = [...node.inputs.map((input) => this.resolve(input)), ...node.outputs].map((id) =>
      this.builder.typeOf(id),
    );
    const sizes = Object.fromEntries(Object.entries(rule.factors).map(([name, { size }]) => [name, size]));
    return axesToShare(this.placement.sharing, mesh, types, definition.flops(rule, sizes, attributes));
  }

  private price(
    node: Node,
    definition: OpDefinition,
    group: number,
    assignment: Assignment,
    options: CandidateOptions,
    limit: number,
  ): number {
    const { rule } = node;
    const mesh = this.placement.meshes[group];
    const sizes = Object.fromEntries(
      Object.entries(rule.factors).map(([name, { size }]) => [
        name,
        Math.ceil(size / axesSize(mesh, assignment.splits[name]?.axes ?? [])),
      ]),
    );
    const splitting = new Set(Object.values(assignment.splits).flatMap(({ axes }) => axes));
    const repeats = axesSize(
      mesh,
      options.shared.filter((axis) => !splitting.has(axis)),
    );
    let seconds =
      this.costs.opSeconds(definition.flops(rule, sizes, node.attributes), !splitsWhole(rule, assignment)) +
      (repeats - 1) * this.costs.repeatSeconds;
    for (let i = 0; i < node.inputs.length && seconds < limit; i++) {
      const quote = this.quote(node, i, group, assignment);
      if (!quote) return Infinity;
      // An operand that is there twice in one layout is resharded once.
      const repeated = node.inputs.findIndex((id, j) => id === node.inputs[i] && sameOperand(rule, assignment, i, j));
      if (repeated === i) seconds += quote.seconds;
    }
    node.outputs.forEach((output, i) => {
      if (this.anyLayout.has(output)) return;
      const type = this.builder.typeOf(output);
      const layout = resultLayout(rule, assignment, i, namesOf(type));
      for (const [axis, reduction] of Object.entries(layout.partial)) {
        const without = { ...layout.partial };
        delete without[axis];
        const reduced: Layout = { splits: layout.splits, partial: without };
        const due = this.costs.reshards[group].seconds(type, layout, reduced);
        // A sum that was partial already in every operand of its set postpones a debt; it does not make one.
        const set = assignment.through[axis];
        const postponed =
          set !== undefined &&
          rule.linear[set].every((j) => options.operands[j].some((v) => v.layout.partial[axis] === reduction));
        seconds += (postponed ? postponedDebt : newDebt) * due;
      }
    });
    return seconds;
  }

  private quote(node: Node, i: number, group: number, assignment: Assignment): Quote | null {
    const value = this.resolve(node.inputs[i]);
    const type = this.builder.typeOf(value);
    const layout = operandLayout(node.rule, assignment, i, namesOf(type));
    return this.versions.quote(value, type, group, layout, node.source);
  }

  private emit(node: Node, group: number, assignment: Assignment): void {
    const inputs = node.inputs.map((_, i) => this.quote(node, i, group, assignment)!.take());
    const outputs = node.outputs.map((output, i) => {
      const type = this.builder.typeOf(output);
      return this.versions.declareResult(output, type, resultLayout(node.rule, assignment, i, namesOf(type)), group);
    });
    const { op, rule, attributes, source } = node;
    this.versions.steps.push({ kind: 'op', op, rule, attributes, assignment, inputs, outputs, source, group });
  }

  /** Replaces a fused op by its decomposition, whose parts know its factors by the same names. */
  private inline(node: Node, definition: OpDefinition, assignment: Assignment): void {
    const first = this.builder.nodesSoFar().length;
    const operands = Object.fromEntries(
      definition.operands.map((name, i) => [
        name,
        new Tensor(this.builder, this.resolve(node.inputs[i]), node.rule.operands[i]),
      ]),
    );
    const results = this.builder.at(node.source, () => definition.decompose!(operands, node.attributes), null);
    for (const part of this.builder.nodesSoFar().slice(first)) this.place(part, assignment.splits);
    definition.results.forEach((name, i) => {
      if (node.outputs[i] !== undefined && results[name]) this.replaced.set(node.outputs[i], results[name].id);
    });
  }

  private deliver({ role, name }: GraphOutput, value: ValueId): readonly PlacedOutput[] {
    const type = this.builder.typeOf(value);
    const wanted = this.placement.output(role, type);
    if (!wanted) return [{ role, name, value: this.versions.any(value)!.id }];
    const source: Source = { path: name, phase: 'update', segment: name };
    return wanted.map(({ group, layout }) => {
      const quote = this.versions.quote(value, type, group, layout, source);
      if (!quote) throw noReshard({ value: name, type, layout });
      return { role, name, value: quote.take() };
    });
  }

  private resolve(value: ValueId): ValueId {
    let current = value;
    for (let next = this.replaced.get(current); next !== undefined; next = this.replaced.get(current)) current = next;
    return current;
  }

  private resultNames({ op, outputs }: Node): readonly string[] {
    return slotNames(opNamed(this.builder.registry, op).results, outputs.length);
  }

  private nameOf(value: ValueId): string {
    const { node } = this.builder.valueAt(value);
    if (!node) return this.graph.inputs.find((input) => input.value === value)?.name ?? `%${value}`;
    const result = node.outputs.length > 1 ? `.${this.resultNames(node)[node.outputs.indexOf(value)]}` : '';
    const phase = node.source.phase === 'backward' ? "'" : '';
    return `${inOneWord(node.source.path)}/${node.op}${result}${phase}%${value}`;
  }
}

/** A module path within the names of values: names of modules are anything, and those of values must not be equal. */
const inOneWord = (path: string): string => (/[\s"%]/.test(path) ? JSON.stringify(path) : path);

const sameOperand = (rule: OpRule, assignment: Assignment, i: number, j: number): boolean =>
  rule.operands[i].join() === rule.operands[j].join() &&
  Object.values(assignment.through).every((set) => rule.linear[set].includes(i) === rule.linear[set].includes(j));

/**
 * The price of leaving a result partial, in units of the all-reduce that will be due: a little more than one, so that reducing now
 * wins ties; about half where the sum was due already (found on three-layer models: sequence parallelism then needs the fewest
 * reduce-scatters).
 */
const newDebt = 1.01;
const postponedDebt = 0.505;
