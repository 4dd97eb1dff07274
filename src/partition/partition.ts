/**
 * Graph + plan → placed graph.
 *
 * One walk in graph order. Each op gets the cheapest of its candidate assignments (`choose.ts`), or the one that the plan gives. A fused
 * op whose whole factor the choice splits is replaced by its decomposition, whose parts are assigned in turn. Nothing here names an op,
 * an axis or a model.
 */
import { GraphBuilder } from '../ir/builder.js';
import type { Graph, GraphInput, GraphOutput, Node, Source, ValueId } from '../ir/graph.js';
import { opOf, type OpDefinition, type OpRegistry } from '../ir/op.js';
import type { Assignment, OpRule } from '../ir/rule.js';
import { Tensor } from '../ir/tensor.js';
import type { Target } from '../kernels/target.js';
import { sumsInto } from '../passes/sums.js';
import { NodeNames, outputReader } from '../plan/node_names.js';
import type { PlannedAssignment, PlannedAssignments } from '../plan/plan.js';
import { shortest, type Scope } from '../plan/scope.js';
import type { ReshardSearch } from '../reshard/search.js';
import { assignedBy, type Assigned } from './assigned.js';
import type { Splits } from './candidates.js';
import { Chooser, type Choice } from './choose.js';
import { reshardSearches, type PartitionCosts } from './costs.js';
import { noAssignment, noReshard, noSuchVersion } from './diagnostics.js';
import { expectReaders, GivenAssignments, readAssignment, type Given } from './given_assignments.js';
import type { PlacedGraph, PlacedId, PlacedOutput } from './placed.js';
import type { Pin, Pins } from './pins.js';
import type { Placement } from './placement.js';
import { ValueNames } from './value_names.js';
import { cheapest, Versions, type Quote, type Wanted } from './versions.js';

export interface PartitionOptions {
  /** Fused ops that the target has no kernel for are replaced by their decomposition. Default: it has all. */
  readonly hasKernel?: (op: string, rule: OpRule) => boolean;
  /** What it is compiled for. Default: the reference engine. */
  readonly device?: Target;
  /** One search a group's mesh. Default: under `costs`, with no path given. */
  readonly reshards?: readonly ReshardSearch[];
  /** What is fixed for nodes, by name; what it leaves open is chosen. Default: nothing. */
  readonly given?: GivenAssignments;
  /** What is fixed of the choices of a reproducible step. Default: nothing. */
  readonly pins?: Pins;
}

export interface Partitioned {
  readonly placed: PlacedGraph;
  /** Of every node and output: given to {@link partition} they make the same graph, under any prices of ops. */
  readonly assignments: PlannedAssignments;
  /** What was left open, in the order in which it was chosen. */
  readonly choices: readonly ExplainedChoice[];
}

/** How a node came to its assignment. */
export interface ExplainedChoice extends Choice {
  /** As in {@link Partitioned.assignments}. */
  readonly name: string;
  readonly node: Node;
  readonly group: number;
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
  private readonly versions: Versions;
  /** Results of decomposed ops → the values that replace them. */
  private readonly replaced = new Map<ValueId, ValueId>();
  private readonly chosen = new Map<number, Assignment>();
  private readonly known = new Map<Assignment, Assigned>();
  private readonly hasKernel: NonNullable<PartitionOptions['hasKernel']>;
  private readonly given: GivenAssignments;
  private readonly pins: Pins | null;
  private readonly names = new NodeNames();
  private readonly assignments: Record<string, PlannedAssignment> = {};
  private readonly chooser: Chooser;
  private readonly choices: ExplainedChoice[] = [];
  /** Values that depend on data. */
  private readonly ofData = new Set<ValueId>();
  /** Outputs that are taken as they come: those of a step are summed over microbatches, so each makes its own. */
  private readonly handedOver: Set<ValueId>;

  constructor(
    graph: Graph,
    registry: OpRegistry,
    placement: Placement,
    costs: PartitionCosts,
    options: PartitionOptions,
  ) {
    const { hasKernel = () => true, given = new GivenAssignments({}), pins = null, device = 'reference' } = options;
    this.graph = graph;
    const reshards = options.reshards ?? reshardSearches(placement.meshes, costs);
    this.hasKernel = hasKernel;
    this.given = given;
    this.pins = pins;
    this.builder = GraphBuilder.resume(registry, graph);
    const free = graph.outputs.filter(({ role, value }) => placement.output(role, this.builder.typeOf(value)) === null);
    this.handedOver = new Set(free.map(({ value }) => value));
    this.placement = placement;
    const valueNames = new ValueNames(this.builder, graph);
    this.versions = new Versions(
      placement.meshes,
      costs,
      reshards,
      (value) => valueNames.of(value),
      (group, type) => placement.arrival(group, type),
      (segment) => placement.chunkOf(segment),
      (reader) => placement.reshardScope(reader),
    );
    this.chooser = new Chooser({
      builder: this.builder,
      placement,
      costs,
      device,
      reshards,
      versions: this.versions,
      roles: new Map(graph.inputs.map((input) => [input.value, input.role])),
      anyLayout: sumsInto(
        graph,
        free.map((output) => output.value),
        (node) => opOf(registry, node).addends === true,
      ),
      handedOver: this.handedOver,
      resolve: (value) => this.resolve(value),
      scopeOf: (node) => this.scopeOf(node),
      ofData: (node) => this.ofData.has(node.outputs[0]),
    });
  }

  run(): Partitioned {
    for (const input of this.graph.inputs) {
      const type = this.builder.typeOf(input.value);
      if (input.kind === 'data') this.ofData.add(input.value);
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
    return { placed, assignments: this.assignments, choices: this.choices };
  }

  /** `whole`: the op that the node is a part of, by name. */
  private place(node: Node, inherited: Splits | null, whole: string | null): void {
    const definition = opOf(this.builder.registry, node);
    const group = this.placement.group(node.source);
    if (node.inputs.some((input) => this.ofData.has(input))) node.outputs.forEach((output) => this.ofData.add(output));
    const name = this.names.next(node.op, node.source, whole);
    const given = this.given.find(name);
    const pin = this.pins?.next(name, node.rule) ?? null;
    const assignment =
      this.fixed(given, node, definition, group, pin) ?? this.choose(name, node, definition, group, inherited, pin);
    this.chosen.set(node.id, assignment);
    const assigned = this.assigned(node, definition, group, assignment);
    const missing = definition.decompose !== undefined && !this.hasKernel(node.op, node.rule);
    const isDecomposed = missing || assigned.splitsWhole;
    // The whole op is written before its parts.
    this.assignments[name] = assigned.written;
    if (given) expectReaders(given, isDecomposed ? [] : assigned.names);
    if (isDecomposed) return this.inline(node, definition, assignment, name);
    const from = this.emit(node, group, assigned, given);
    if (Object.keys(from).length > 0) this.assignments[name] = { ...assigned.written, from };
  }

  /** What follows from an assignment: once for all nodes that share it. */
  private assigned(node: Node, definition: OpDefinition, group: number, assignment: Assignment): Assigned {
    const known = this.known.get(assignment);
    if (known) return known;
    const typeOf = (value: ValueId) => this.builder.typeOf(this.resolve(value));
    const made = assignedBy(
      assignment,
      node,
      definition,
      this.placement.meshes[group],
      node.inputs.map(typeOf),
      node.outputs.map((output) => this.builder.typeOf(output)),
    );
    this.known.set(assignment, made);
    return made;
  }

  private fixed(
    given: Given | null,
    node: Node,
    definition: OpDefinition,
    group: number,
    pin: Pin | null,
  ): Assignment | null {
    if (!given) return null;
    const { meshes } = this.placement;
    const results = node.outputs.map((output) => this.builder.typeOf(output));
    return readAssignment(given, { node, definition, mesh: meshes[group], meshes, results, pin });
  }

  private choose(
    name: string,
    node: Node,
    definition: OpDefinition,
    group: number,
    inherited: Splits | null,
    pin: Pin | null,
  ): Assignment {
    const forward = node.from === null ? null : (this.chosen.get(node.from)?.splits ?? null);
    const choice = this.chooser.choose(node, definition, group, inherited ?? forward, pin);
    this.choices.push({ name, node, group, ...choice });
    return choice.assignment;
  }

  /** Gives the origins of operands, where these are a choice. */
  private emit(
    node: Node,
    group: number,
    { assignment, names, operands, results }: Assigned,
    given: Given | null,
  ): Readonly<Record<string, string>> {
    const { op, rule, attributes, source } = node;
    const from: Record<string, string> = {};
    const inputs = node.inputs.map((input, i) => {
      const value = this.resolve(input);
      const wanted: Wanted = { value, type: this.builder.typeOf(value), group, layout: operands[i], source };
      return this.take(this.versions.quotes(wanted), names[i], given, from) ?? raise(noAssignment({ op, source }));
    });
    const scope = this.scopeOf(node);
    const outputs = node.outputs.map((output, i) =>
      this.versions.declareResult(output, this.builder.typeOf(output), results[i], group, scope),
    );
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
    if (route === undefined && quotes.length === 1) return quotes[0].take();
    const known = [...new Set(quotes.map((quote) => quote.route()))];
    const quote = route === undefined ? cheapest(quotes) : quotes.find((one) => one.route() === route);
    if (route !== undefined && !quote) throw noSuchVersion({ field: `${given!.field}.from.${reader}`, route, known });
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
}

function raise(error: Error): never {
  throw error;
}

/** How long an input stays the same. */
const inputScope = ({ kind }: GraphInput): Scope => (kind === 'data' ? 'microbatch' : 'step');
