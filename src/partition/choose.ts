/**
 * The assignment of one op: the cheapest of its candidates, by the price of bringing operands into the layouts that it needs, its own
 * work, the debt of a result left partial, and a forfeit for work that ranks repeat (`sharing.ts`). Nothing here names an op or an axis.
 */
import type { GraphBuilder } from '../ir/builder.js';
import type { Node, ValueId } from '../ir/graph.js';
import type { Layout } from '../ir/layout.js';
import { axesSize, type AxisName, type Mesh } from '../ir/mesh.js';
import { castTo, type OpDefinition } from '../ir/op.js';
import type { Role } from '../ir/role.js';
import { operandLayout, resultLayout, splitOf, splitsWhole, type Assignment, type OpRule } from '../ir/rule.js';
import { bytesOf, namesOf, resize, type FactorName } from '../ir/type.js';
import type { Target } from '../kernels/target.js';
import type { Scope } from '../plan/scope.js';
import type { ReshardSearch } from '../reshard/search.js';
import { splitCandidates, throughCandidates, type CandidateOptions, type Splits } from './candidates.js';
import type { OpWork, PartitionCosts } from './costs.js';
import { noAssignment } from './diagnostics.js';
import { passesAsPinned, pinned, type Pin } from './pins.js';
import type { Placement } from './placement.js';
import { Questions, type Asked } from './questions.js';
import { axesToShare, tablesWholeOver } from './sharing.js';
import { cheapest, type Versions, type Wanted } from './versions.js';

/** What a choice goes by: the graph as it is placed so far, and its prices. */
export interface Surroundings {
  readonly builder: GraphBuilder;
  readonly placement: Placement;
  readonly costs: PartitionCosts;
  readonly device: Target;
  readonly reshards: readonly ReshardSearch[];
  readonly versions: Versions;
  /** Graph inputs. */
  readonly roles: ReadonlyMap<ValueId, Role>;
  /** Values that add up to outputs which are taken as they come: leaving them partial makes no debt. */
  readonly anyLayout: ReadonlySet<ValueId>;
  /** Outputs that are taken as they come, and what stands for them where their ops were decomposed. */
  readonly handedOver: ReadonlySet<ValueId>;
  /** The value that stands for one whose op was decomposed. */
  resolve(value: ValueId): ValueId;
  /** How long what a node makes is kept. */
  scopeOf(node: Node): Scope;
  /** Whether what a node makes depends on data. */
  ofData(node: Node): boolean;
}

/** An assignment with its price. */
export interface Priced {
  readonly assignment: Assignment;
  /** A step. */
  readonly seconds: number;
}

export interface Choice extends Priced {
  /** The next cheapest; null where there was one candidate alone. */
  readonly runnerUp: Priced | null;
}

export class Chooser {
  private readonly of: Surroundings;
  private readonly questions: Questions;
  /** Choices that were made, by what was asked. */
  private readonly made = new Map<string, Choice>();
  private readonly readReduced: ReadonlySet<ValueId>;

  constructor(of: Surroundings) {
    this.of = of;
    const known = of.reshards.map((search) => search.known);
    this.questions = new Questions(
      of.builder,
      of.versions,
      known.map((paths) => known.indexOf(paths)),
    );
    this.readReduced = new Set(
      [...of.roles].flatMap(([value, role]) => (of.placement.readReduced(role) ? [value] : [])),
    );
  }

  /**
   * `inherited`: splits of the op that this one differentiates or is a part of; `pin`: what is fixed of the choice. Throws
   * `partition/no-assignment`.
   */
  choose(
    node: Node,
    definition: OpDefinition,
    group: number,
    inherited: Splits | null,
    pin: Pin | null = null,
  ): Choice {
    const { placement, roles, anyLayout } = this.of;
    const inputs = node.inputs.map((input) => roles.get(input) ?? null);
    const asked: Asked = {
      node,
      group,
      hint: placement.hint({ source: node.source, rule: node.rule, inputs }),
      inherited,
      pin,
      operands: node.inputs.map((input) => this.of.resolve(input)),
      scope: this.of.scopeOf(node),
      reduced: node.inputs.some((input) => this.readReduced.has(input)),
      ofData: this.of.ofData(node),
      free: node.outputs.map((output) => anyLayout.has(output)),
      handedOver: node.outputs.some((output) => this.of.handedOver.has(output)),
    };
    const question = this.questions.textOf(asked);
    let choice = this.made.get(question);
    if (!choice) this.made.set(question, (choice = this.cheapestFor(asked, definition)));
    return choice;
  }

  private cheapestFor(asked: Asked, definition: OpDefinition): Choice {
    const { node, reduced, pin, group } = asked;
    const addends = this.addendsOf(asked, definition);
    const options = this.optionsOf(asked, definition, addends);
    let best: Priced | null = null;
    let runnerUp: Priced | null = null;
    const offered = splitCandidates(options);
    const candidates = pin ? pinned(offered, pin, node.rule, this.of.placement.meshes[group]) : offered;
    for (const splits of candidates) {
      for (const assignment of reduced ? [{ splits, through: {} }] : throughCandidates(options, splits)) {
        if (pin && !passesAsPinned(pin, assignment)) continue;
        if (!addends.every((axis) => axis in assignment.through)) continue;
        const limit = runnerUp?.seconds ?? Infinity;
        const seconds = this.price(asked, definition, assignment, options, limit);
        if (seconds < (best?.seconds ?? Infinity)) [best, runnerUp] = [{ assignment, seconds }, best];
        else if (seconds < limit) runnerUp = { assignment, seconds };
      }
    }
    if (!best) throw noAssignment({ op: node.op, source: node.source });
    return { ...best, runnerUp };
  }

  /**
   * Axes over which the operand's partial sums are to pass, cast where they are: they are reduced in the type that they are cast to. A sum
   * that is handed over is reduced later.
   */
  private addendsOf({ node, operands, group, handedOver }: Asked, definition: OpDefinition): readonly AxisName[] {
    const { builder, versions } = this.of;
    const handsOver = handedOver && node.rule.linear.length > 0 && castTo(builder.registry, node) !== null;
    if (!definition.addends && !handsOver) return [];
    return Object.keys(versions.offers(operands[0], builder.typeOf(operands[0]), group)[0].partial);
  }

  /** The layout in which an op reads its `i`th operand. */
  wanted(node: Node, i: number, group: number, assignment: Assignment): Wanted {
    const value = this.of.resolve(node.inputs[i]);
    const type = this.of.builder.typeOf(value);
    const layout = operandLayout(node.rule, assignment, i, namesOf(type));
    return { value, type, group, layout, source: node.source };
  }

  private optionsOf(asked: Asked, definition: OpDefinition, addends: readonly AxisName[]): CandidateOptions {
    const { node, group, hint, inherited, operands } = asked;
    const { rule } = node;
    const { builder, placement, versions } = this.of;
    const mesh = placement.meshes[group];
    const whole = asked.ofData ? [] : tablesWholeOver(placement.sharing);
    return {
      mesh,
      rule,
      decomposable: definition.decompose !== undefined,
      hint: hint && splitsBeside(hint, addends),
      inherited,
      operands: operands.map((value) => {
        const type = builder.typeOf(value);
        return versions.offers(value, type, group).map((layout) => ({ layout, names: namesOf(type) }));
      }),
      results: node.outputs.map((output) => {
        const type = builder.typeOf(output);
        const { splits, partial } = placement.arrival(group, type);
        const layout = { splits: splitsBeside(splits, whole), partial };
        return { layout, names: namesOf(type) };
      }),
      shared: this.axesToShare(asked, definition, mesh),
    };
  }

  private axesToShare({ node, operands, ofData }: Asked, definition: OpDefinition, mesh: Mesh): readonly AxisName[] {
    const { rule, attributes } = node;
    const types = [...operands, ...node.outputs].map((id) => this.of.builder.typeOf(id));
    const sizes = Object.fromEntries(Object.entries(rule.factors).map(([name, { size }]) => [name, size]));
    const flops = definition.flops(rule, sizes, attributes);
    return axesToShare(this.of.placement.sharing, mesh, { types, flops, ofData });
  }

  /** Seconds a step; Infinity where an operand cannot be had; more than `limit`, but no more than that is known, once it is passed. */
  private price(
    asked: Asked,
    definition: OpDefinition,
    assignment: Assignment,
    options: CandidateOptions,
    limit: number,
  ): number {
    const { node, group } = asked;
    const { rule } = node;
    const mesh = this.of.placement.meshes[group];
    // Two sums that nobody has yet are added term by term: each rank has its own, and one exchange is saved.
    const terms = definition.adds ? Object.keys(assignment.through) : [];
    const working = new Set([
      ...Object.values(assignment.splits).flatMap(({ axes }) => axes),
      ...terms.filter((axis) => isPartial(options, assignment, axis, 'every')),
    ]);
    const repeats = axesSize(
      mesh,
      options.shared.filter((axis) => !working.has(axis)),
    );
    const { microbatches } = this.of.placement;
    const times = asked.scope === 'step' ? 1 : microbatches;
    let seconds =
      times *
      (this.of.costs.seconds(this.workOf(asked, definition, mesh, assignment)) +
        (repeats - 1) * this.of.costs.repeatSeconds);
    for (let i = 0; i < node.inputs.length && seconds < limit; i++) {
      const quote = cheapest(this.of.versions.quotes(this.wanted(node, i, group, assignment)));
      if (!quote) return Infinity;
      // An operand that is there twice in one layout is resharded once.
      const repeated = node.inputs.findIndex((id, j) => id === node.inputs[i] && sameOperand(rule, assignment, i, j));
      if (repeated === i) seconds += microbatches * quote.seconds;
    }
    return seconds + times * this.debtOf(asked, assignment, options);
  }

  /** The op on the blocks of the rank that has most of every factor. */
  private workOf(asked: Asked, definition: OpDefinition, mesh: Mesh, assignment: Assignment): OpWork {
    const { node } = asked;
    const { op, rule, attributes } = node;
    const sizes = Object.fromEntries(
      Object.entries(rule.factors).map(([name, { size }]) => [
        name,
        Math.ceil(size / axesSize(mesh, splitOf(rule, assignment, name)?.axes ?? [])),
      ]),
    );
    const block = (value: ValueId, own: readonly FactorName[]) => {
      const names = namesOf(this.of.builder.typeOf(value));
      return resize(this.of.builder.typeOf(value), ({ name }) => sizes[own[names.indexOf(name)]]);
    };
    const operands = asked.operands.map((value, i) => block(value, rule.operands[i]));
    const results = node.outputs.map((output, i) => block(output, rule.results[i]));
    return {
      node: { op, rule, attributes },
      assignment,
      operands,
      results,
      kernel: splitsWhole(rule, assignment) ? null : op,
      device: this.of.device,
      flops: definition.flops(rule, sizes, attributes),
      bytes: [...operands, ...results].reduce((bytes, type) => bytes + bytesOf(type), 0),
    };
  }

  /** Seconds that results which are left partial count for. */
  private debtOf(asked: Asked, assignment: Assignment, options: CandidateOptions): number {
    const { node, group, free } = asked;
    const { rule } = node;
    let seconds = 0;
    node.outputs.forEach((output, i) => {
      if (free[i]) return;
      const type = this.of.builder.typeOf(output);
      const layout = resultLayout(rule, assignment, i, namesOf(type));
      for (const axis of Object.keys(layout.partial)) {
        const without = { ...layout.partial };
        delete without[axis];
        const reduced: Layout = { splits: layout.splits, partial: without };
        const due = this.of.reshards[group].seconds(type, layout, reduced);
        // A sum that was partial already in every operand of its set postpones a debt; it does not make one.
        const postponed = isPartial(options, assignment, axis, 'some');
        seconds += this.of.costs.debt[postponed ? 'postponed' : 'made'] * due;
      }
    });
    return seconds;
  }
}

/** Whether a sum passes through over this axis, and each operand of its set is there, or there alone, as terms of one. */
function isPartial(
  { rule, operands }: CandidateOptions,
  { through }: Assignment,
  axis: AxisName,
  versions: 'some' | 'every',
): boolean {
  const set = through[axis];
  return (
    set !== undefined && rule.linear[set].every((i) => operands[i][versions]((v) => v.layout.partial[axis] === 'sum'))
  );
}

/** The splits over none of `axes`. */
const splitsBeside = (splits: Splits, axes: readonly AxisName[]): Splits =>
  Object.fromEntries(Object.entries(splits).filter(([, split]) => !split.axes.some((axis) => axes.includes(axis))));

const sameOperand = (rule: OpRule, assignment: Assignment, i: number, j: number): boolean =>
  rule.operands[i].join() === rule.operands[j].join() &&
  Object.values(assignment.through).every((set) => rule.linear[set].includes(i) === rule.linear[set].includes(j));
