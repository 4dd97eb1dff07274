/**
 * Graph + plan → placed graph.
 *
 * One walk in graph order. Each op gets the cheapest of its candidate assignments: the price of bringing operands into the layouts it
 * needs, its own work, the debt of a result left partial, and a forfeit for work that ranks repeat (`sharing.ts`). A fused op whose whole
 * factor the choice splits is replaced by its decomposition, whose parts are assigned in turn. Nothing here names an op, an axis or a
 * model.
 */
import { GraphBuilder } from '../ir/builder.js';
import type { Graph, GraphInput, GraphOutput, Node, Source, ValueId } from '../ir/graph.js';
import type { Layout } from '../ir/layout.js';
import { axesSize, type AxisName, type Mesh } from '../ir/mesh.js';
import type { OpDefinition, OpRegistry } from '../ir/op.js';
import { opNamed, slotNames } from '../ir/op.js';
import type { Role } from '../ir/role.js';
import { operandLayout, resultLayout, splitsWhole, type Assignment, type OpRule } from '../ir/rule.js';
import { Tensor } from '../ir/tensor.js';
import { bytesOf, namesOf, resize, type FactorName, type TensorType } from '../ir/type.js';
import type { Target } from '../kernels/target.js';
import type { PlannedAssignment, PlannedAssignments } from '../plan/plan.js';
import { sumsInto } from '../passes/sums.js';
import type { ReshardSearch } from '../reshard/search.js';
import { splitCandidates, throughCandidates, type CandidateOptions, type Splits } from './candidates.js';
import { reshardSearches, type OpWork, type PartitionCosts } from './costs.js';
import { noAssignment, noReshard, noSuchVersion } from './diagnostics.js';
import {
  canonicalAssignment,
  expectReaders,
  GivenAssignments,
  operandNames,
  readAssignment,
  writtenAssignment,
  type Given,
} from './given_assignments.js';
import { NodeNames, outputReader } from '../plan/node_names.js';
import { shortest, type Scope } from '../plan/scope.js';
import type { PlacedGraph, PlacedId, PlacedOutput } from './placed.js';
import { axesOfData, axesToShare, type Sharing } from './sharing.js';
import { cheapest, Versions, type Quote, type Wanted } from './versions.js';

/** Everything the walk asks of the plan. */
export interface Placement {
  readonly meshes: readonly Mesh[];
  /** The group an op runs on. */
  group(source: Source): number;
  /** Where an input lies: its layout on every group that stores it. */
  input(role: Role, type: TensorType): readonly { readonly group: number; readonly layout: Layout }[];
  /** The layout an output must have, on each group that wants it; null leaves it as it comes. */
  output(role: Role, type: TensorType): readonly { readonly group: number; readonly layout: Layout }[] | null;
  /** The chunk of a segment: what lasts for a slot, or for a microbatch's backward, lasts on one. */
  chunkOf(segment: string): number;
  /** How long a reshard is kept that a reader asks for, of what a microbatch makes and in larger blocks: it can be made again. */
  reshardScope(reader: Source): Scope;
  /** How the plan lays a value out on a group's mesh by the names of its factors: how one that no op of the group has made is met. */
  arrival(group: number, type: TensorType): Layout;
  /** The factors that the plan splits, and which of them data come with: whom work that has them is to be shared by. */
  readonly sharing: Sharing;
  /** How often in a step everything is made that does not last it. */
  readonly microbatches: number;
  /** Splits the plan fixes for an op, by factor of its rule; null where it leaves the choice. */
  hint(node: HintRequest): Splits | null;
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
  /** What it is compiled for. Default: the reference engine. */
  readonly device?: Target;
  /** One search a group's mesh. Default: under `costs`, with no path given. */
  readonly reshards?: readonly ReshardSearch[];
  /** What is fixed for nodes, by name; what it leaves open is chosen. Default: nothing. */
  readonly given?: GivenAssignments;
}

export interface Partitioned {
  readonly placed: PlacedGraph;
  /** Of every node and output: given to {@link partition} they make the same graph, under any prices of ops. */
  readonly assignments: PlannedAssignments;
}

export function partition(
  graph: Graph,
  registry: OpRegistry,
  placement: Placement,
  costs: PartitionCosts,
  options: PartitionOptions = {},
): Partitioned {
  return new Walk(graph, registry, placement, costs, options).run();
}

class Walk {
  private readonly graph: Graph;
  private readonly builder: GraphBuilder;
  private readonly placement: Placement;
  private readonly costs: PartitionCosts;
  private readonly device: Target;
  private readonly reshards: readonly ReshardSearch[];
  private readonly versions: Versions;
  /** Results of decomposed ops → the values that replace them. */
  private readonly replaced = new Map<ValueId, ValueId>();
  private readonly chosen = new Map<number, Assignment>();
  private readonly hasKernel: NonNullable<PartitionOptions['hasKernel']>;
  private readonly given: GivenAssignments;
  private readonly names = new NodeNames();
  private readonly assignments: Record<string, PlannedAssignment> = {};
  private readonly roles: ReadonlyMap<ValueId, Role>;
  /** Values that add up to outputs which are taken as they come: leaving them partial makes no debt. */
  private readonly anyLayout: ReadonlySet<ValueId>;
  /** The graph's outputs: of a step they are summed over microbatches, so each makes its own. */
  private readonly handedOver: Set<ValueId>;

  constructor(
    graph: Graph,
    registry: OpRegistry,
    placement: Placement,
    costs: PartitionCosts,
    options: PartitionOptions,
  ) {
    const { hasKernel = () => true, given = new GivenAssignments({}), device = 'reference' } = options;
    this.graph = graph;
    this.device = device;
    this.reshards = options.reshards ?? reshardSearches(placement.meshes, costs);
    this.hasKernel = hasKernel;
    this.given = given;
    this.roles = new Map(graph.inputs.map((input) => [input.value, input.role]));
    this.builder = GraphBuilder.resume(registry, graph);
    const free = graph.outputs.filter(({ role, value }) => placement.output(role, this.builder.typeOf(value)) === null);
    this.anyLayout = sumsInto(
      graph,
      free.map((output) => output.value),
    );
    this.handedOver = new Set(graph.outputs.map(({ value }) => value));
    this.placement = placement;
    this.costs = costs;
    this.versions = new Versions(
      placement.meshes,
      costs,
      this.reshards,
      (value) => this.nameOf(value),
      (group, type) => placement.arrival(group, type),
      (segment) => placement.chunkOf(segment),
      (reader) => placement.reshardScope(reader),
    );
  }

  run(): Partitioned {
    for (const input of this.graph.inputs) {
      const type = this.builder.typeOf(input.value);
      for (const { group, layout } of this.placement.input(input.role, type)) {
        this.versions.declareInput(input, type, layout, group, inputScope(input));
      }
    }
    for (const node of this.graph.nodes) this.place(node, null, null);
    const outputs = this.graph.outputs.flatMap((output) => this.deliver(output, this.resolve(output.value)));
    const placed = {
      name: this.graph.name,
      meshes: this.placement.meshes,
      values: this.versions.values,
      inputs: this.versions.inputs,
      steps: this.versions.steps,
      outputs,
    };
    return { placed, assignments: this.assignments };
  }

  /** `whole`: the op that the node is a part of, by name. */
  private place(node: Node, inherited: Splits | null, whole: string | null): void {
    const definition = opNamed(this.builder.registry, node.op);
    const group = this.placement.group(node.source);
    const name = this.names.next(node.op, node.source, whole);
    const given = this.given.find(name);
    const assignment = this.fixed(given, node, definition, group) ?? this.choose(node, definition, group, inherited);
    this.chosen.set(node.id, assignment);
    const missing = definition.decompose !== undefined && !this.hasKernel(node.op, node.rule);
    const canonical = canonicalAssignment(this.placement.meshes[group], node.rule, assignment);
    const isDecomposed = missing || splitsWhole(node.rule, canonical);
    // The whole op is written before its parts.
    this.assignments[name] = writtenAssignment(node, definition, canonical, {});
    if (given) expectReaders(given, isDecomposed ? [] : operandNames(node, definition));
    if (isDecomposed) return this.inline(node, definition, assignment, name);
    const from = this.emit(node, definition, group, canonical, given);
    this.assignments[name] = writtenAssignment(node, definition, canonical, from);
  }

  private fixed(given: Given | null, node: Node, definition: OpDefinition, group: number): Assignment | null {
    if (!given) return null;
    const { meshes } = this.placement;
    const results = node.outputs.map((output) => this.builder.typeOf(output));
    return readAssignment(given, { node, definition, mesh: meshes[group], meshes, results });
  }

  private choose(node: Node, definition: OpDefinition, group: number, inherited: Splits | null): Assignment {
    const { rule } = node;
    const mesh = this.placement.meshes[group];
    const forward = node.from === null ? null : (this.chosen.get(node.from)?.splits ?? null);
    const ofData = axesOfData(this.placement.sharing, this.typesOf(node));
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
      operands: node.inputs.map((_, i) => this.offersOf(node, i, group, ofData)),
      results: node.outputs.map((output) => {
        const type = this.builder.typeOf(output);
        return { layout: this.placement.arrival(group, type), names: namesOf(type) };
      }),
      shared: this.axesToShare(node, definition, mesh),
    };
    let best: { assignment: Assignment; seconds: number } | null = null;
    for (const splits of splitCandidates(options)) {
      for (const assignment of throughCandidates(options, splits)) {
        const seconds = this.price(node, definition, group, assignment, options, best?.seconds ?? Infinity);
        if (seconds < (best?.seconds ?? Infinity)) best = { assignment, seconds };
      }
    }
    if (!best) throw noAssignment({ op: node.op, source: node.source });
    return best.assignment;
  }

  /**
   * The layouts by which an operand induces splits. What follows from storage alone is split over the axes of data for memory's sake: the
   * op goes by that only along factors which its data and its results have too, as the experts of a buffer that is sent to them.
   */
  private offersOf(
    { inputs, rule }: Node,
    i: number,
    group: number,
    ofData: ReadonlySet<AxisName>,
  ): CandidateOptions['operands'][number] {
    const value = this.resolve(inputs[i]);
    const type = this.builder.typeOf(value);
    const names = namesOf(type);
    const stored = this.versions.lasts(value) === 'step';
    const goesThrough = (letter: FactorName) =>
      rule.results.every((own) => own.includes(letter)) &&
      rule.operands.some((own, j) => j !== i && own.includes(letter));
    return this.versions.offers(value, type, group).map((layout) => {
      if (!stored) return { layout, names };
      const used = Object.entries(layout.splits).filter(
        ([name, { axes }]) =>
          !axes.some((axis) => ofData.has(axis)) || goesThrough(rule.operands[i][names.indexOf(name)]),
      );
      return { layout: { ...layout, splits: Object.fromEntries(used) }, names };
    });
  }

  private typesOf(node: Node): readonly TensorType[] {
    return [...node.inputs.map((input) => this.resolve(input)), ...node.outputs].map((id) => this.builder.typeOf(id));
  }

  private axesToShare(node: Node, definition: OpDefinition, mesh: Mesh): readonly AxisName[] {
    const { rule, attributes } = node;
    const types = this.typesOf(node);
    const sizes = Object.fromEntries(Object.entries(rule.factors).map(([name, { size }]) => [name, size]));
    return axesToShare(this.placement.sharing, mesh, types, definition.flops(rule, sizes, attributes));
  }

  /** Seconds a step; Infinity where an operand cannot be had, or once `limit` is passed. */
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
    const splitting = new Set(Object.values(assignment.splits).flatMap(({ axes }) => axes));
    const repeats = axesSize(
      mesh,
      options.shared.filter((axis) => !splitting.has(axis)),
    );
    const { microbatches } = this.placement;
    const times = this.scopeOf(node) === 'step' ? 1 : microbatches;
    let seconds =
      times *
      (this.costs.seconds(this.workOf(node, definition, mesh, assignment)) + (repeats - 1) * this.costs.repeatSeconds);
    for (let i = 0; i < node.inputs.length && seconds < limit; i++) {
      const quote = cheapest(this.versions.quotes(this.wanted(node, i, group, assignment)));
      if (!quote) return Infinity;
      // An operand that is there twice in one layout is resharded once.
      const repeated = node.inputs.findIndex((id, j) => id === node.inputs[i] && sameOperand(rule, assignment, i, j));
      if (repeated === i) seconds += microbatches * quote.seconds;
    }
    return seconds + times * this.debtOf(node, group, assignment, options);
  }

  /** The op on the blocks of the rank that has most of every factor. */
  private workOf(node: Node, definition: OpDefinition, mesh: Mesh, assignment: Assignment): OpWork {
    const { op, rule, attributes } = node;
    const sizes = Object.fromEntries(
      Object.entries(rule.factors).map(([name, { size }]) => [
        name,
        Math.ceil(size / axesSize(mesh, assignment.splits[name]?.axes ?? [])),
      ]),
    );
    const block = (value: ValueId, own: readonly FactorName[]) => {
      const names = namesOf(this.builder.typeOf(value));
      return resize(this.builder.typeOf(value), ({ name }) => sizes[own[names.indexOf(name)]]);
    };
    const operands = node.inputs.map((input, i) => block(this.resolve(input), rule.operands[i]));
    const results = node.outputs.map((output, i) => block(output, rule.results[i]));
    return {
      node: { op, rule, attributes },
      assignment,
      operands,
      results,
      kernel: splitsWhole(rule, assignment) ? null : op,
      device: this.device,
      flops: definition.flops(rule, sizes, attributes),
      bytes: [...operands, ...results].reduce((bytes, type) => bytes + bytesOf(type), 0),
    };
  }

  /** Seconds that results which are left partial count for. */
  private debtOf(node: Node, group: number, assignment: Assignment, options: CandidateOptions): number {
    const { rule } = node;
    let seconds = 0;
    node.outputs.forEach((output, i) => {
      if (this.anyLayout.has(output)) return;
      const type = this.builder.typeOf(output);
      const layout = resultLayout(rule, assignment, i, namesOf(type));
      for (const [axis, reduction] of Object.entries(layout.partial)) {
        const without = { ...layout.partial };
        delete without[axis];
        const reduced: Layout = { splits: layout.splits, partial: without };
        const due = this.reshards[group].seconds(type, layout, reduced);
        // A sum that was partial already in every operand of its set postpones a debt; it does not make one.
        const set = assignment.through[axis];
        const postponed =
          set !== undefined &&
          rule.linear[set].every((j) => options.operands[j].some((v) => v.layout.partial[axis] === reduction));
        seconds += this.costs.debt[postponed ? 'postponed' : 'made'] * due;
      }
    });
    return seconds;
  }

  private wanted(node: Node, i: number, group: number, assignment: Assignment): Wanted {
    const value = this.resolve(node.inputs[i]);
    const type = this.builder.typeOf(value);
    const layout = operandLayout(node.rule, assignment, i, namesOf(type));
    return { value, type, group, layout, source: node.source };
  }

  /** Gives the origins of operands, where these are a choice. */
  private emit(
    node: Node,
    definition: OpDefinition,
    group: number,
    assignment: Assignment,
    given: Given | null,
  ): Readonly<Record<string, string>> {
    const from: Record<string, string> = {};
    const names = operandNames(node, definition);
    const inputs = node.inputs.map((_, i) => {
      const quotes = this.versions.quotes(this.wanted(node, i, group, assignment));
      return this.take(quotes, names[i], given, from) ?? raise(noAssignment({ op: node.op, source: node.source }));
    });
    const scope = this.scopeOf(node);
    const outputs = node.outputs.map((output, i) => {
      const type = this.builder.typeOf(output);
      const layout = resultLayout(node.rule, assignment, i, namesOf(type));
      return this.versions.declareResult(output, type, layout, group, scope);
    });
    const { op, rule, attributes, source } = node;
    this.versions.steps.push({ kind: 'op', op, rule, attributes, assignment, inputs, outputs, source, group });
    return from;
  }

  /** Takes the way that is given for a reader, or the cheapest; null where there is none. Where there were several, `from` is told. */
  private take(
    quotes: readonly Quote[],
    reader: string,
    given: Given | null,
    from: Record<string, string>,
  ): PlacedId | null {
    const route = given?.assignment.from?.[reader];
    const known = [...new Set(quotes.map((quote) => quote.route()))];
    const quote = route === undefined ? cheapest(quotes) : quotes.find((one) => one.route() === route);
    if (route !== undefined && !quote) throw noSuchVersion({ key: given!.key, field: `from.${reader}`, route, known });
    if (!quote) return null;
    if (known.length > 1) from[reader] = quote.route();
    return quote.take();
  }

  /**
   * How long what a node makes is kept: as long as all that it reads stays the same. What follows from parameters alone, such as their
   * casts, is made once for all microbatches; what needs nothing is sooner made again than kept.
   */
  private scopeOf({ inputs, outputs, source }: Node): Scope {
    if (source.phase === 'update') return 'step';
    if (inputs.length === 0 || outputs.some((output) => this.handedOver.has(output))) return 'microbatch';
    return shortest(
      'step',
      inputs.map((input) => this.versions.lasts(this.resolve(input))),
    );
  }

  /** Replaces a fused op by its decomposition, whose parts know its factors by the same names. */
  private inline(node: Node, definition: OpDefinition, assignment: Assignment, name: string): void {
    const first = this.builder.nodesSoFar().length;
    const operands = Object.fromEntries(
      definition.operands.map((name, i) => [
        name,
        new Tensor(this.builder, this.resolve(node.inputs[i]), node.rule.operands[i]),
      ]),
    );
    const results = this.builder.at(node.source, () => definition.decompose!(operands, node.attributes), null);
    definition.results.forEach((result, i) => {
      if (node.outputs[i] === undefined || !results[result]) return;
      this.replaced.set(node.outputs[i], results[result].id);
      if (this.handedOver.has(node.outputs[i])) this.handedOver.add(results[result].id);
    });
    for (const part of this.builder.nodesSoFar().slice(first)) this.place(part, assignment.splits, name);
  }

  private deliver({ role, name }: GraphOutput, value: ValueId): readonly PlacedOutput[] {
    const type = this.builder.typeOf(value);
    const wanted = this.placement.output(role, type);
    if (!wanted) return [{ role, name, value: this.versions.any(value)!.id }];
    const source: Source = { path: name, phase: 'update', segment: name };
    const given = this.given.find(outputReader(name));
    if (given)
      expectReaders(
        given,
        wanted.map(({ group }) => `@${group}`),
      );
    const from: Record<string, string> = {};
    const outputs = wanted.map(({ group, layout }) => {
      const quotes = this.versions.quotes({ value, type, group, layout, source });
      const taken = this.take(quotes, `@${group}`, given, from);
      return { role, name, value: taken ?? raise(noReshard({ value: name, type, layout })) };
    });
    if (Object.keys(from).length > 0) this.assignments[outputReader(name)] = { from };
    return outputs;
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

function raise(error: Error): never {
  throw error;
}

/** How long an input stays the same. */
const inputScope = ({ kind }: GraphInput): Scope => (kind === 'data' ? 'microbatch' : 'step');

/** A module path within the names of values: names of modules are anything, and those of values must not be equal. */
const inOneWord = (path: string): string => (/[\s"%]/.test(path) ? JSON.stringify(path) : path);

const sameOperand = (rule: OpRule, assignment: Assignment, i: number, j: number): boolean =>
  rule.operands[i].join() === rule.operands[j].join() &&
  Object.values(assignment.through).every((set) => rule.linear[set].includes(i) === rule.linear[set].includes(j));
