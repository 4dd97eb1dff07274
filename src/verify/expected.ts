/**
 * What a program must compute, derived from the placed graphs that it was made from: nothing here comes from the lowering.
 *
 * The step graph is one microbatch; its outputs are summed over microbatches, and the update reads the sums in the outputs' roles. A
 * bucket is its members, one behind the other, and what the update makes of it is its members' new values.
 */
import { printLayout, type Layout } from '../ir/layout.js';
import { Meanings, type Meaning } from '../ir/meaning.js';
import type { OpRegistry } from '../ir/op.js';
import { nameOf, parameterRole, roleKey, type Role } from '../ir/role.js';
import { printType, sizesOf, type TensorType } from '../ir/type.js';
import { bucketOfRole, isGathered, tensorsIn, type Bucket } from '../partition/buckets.js';
import type { PackedTensor } from '../partition/packing.js';
import type { PlacedGraph, PlacedId, PlacedStep } from '../partition/placed.js';
import { storedState } from '../partition/stored_state.js';
import type { GraphValue } from '../program/program.js';

/** The graphs that a program is held against. */
export interface Specification {
  /** Forward and backward of one scheduled microbatch. */
  readonly step: PlacedGraph;
  /** What runs once a step; null: nothing does. */
  readonly update: PlacedGraph | null;
  /** Which parameters, gradients and state lie together. */
  readonly buckets: readonly Bucket[];
}

/** A value that a class takes or gives, by its name outside the program. */
export interface Stated {
  readonly role: Role;
  readonly type: TensorType;
  readonly layout: Layout;
  readonly meaning: Meaning;
}

export interface StatedState extends Stated {
  /** What it is after the step. */
  readonly after: Meaning;
  /** Of a bucket of state: the tensors in it. */
  readonly tensors: readonly PackedTensor[] | null;
}

/** What the classes of one group take and give. */
export interface Boundary {
  readonly state: ReadonlyMap<string, StatedState>;
  readonly scalars: ReadonlyMap<string, Stated>;
  readonly data: ReadonlyMap<string, Stated>;
  readonly results: ReadonlyMap<string, Stated>;
  /** Parameters that lie together: name → members. */
  readonly buckets: ReadonlyMap<string, readonly PackedTensor[]>;
}

export class Expected {
  readonly meanings: Meanings;
  private readonly specification: Specification;
  /** Every meaning in the graphs, with what `blockText` says of its type. */
  private readonly known = new Map<Meaning, string>();
  private readonly sums = new Map<string, Meaning>();
  /** What each microbatch has its own of: data, and what follows from them. A sum over all is the step's. */
  private readonly varying = new Set<Meaning>();
  private readonly of: Record<GraphValue['graph'], readonly Meaning[]> = { step: [], update: [] };
  private readonly landed: Record<GraphValue['graph'], ReadonlySet<PlacedId>>;
  private readonly boundaries = new Map<number, Boundary>();

  constructor(specification: Specification, registry: OpRegistry) {
    this.meanings = new Meanings(registry);
    this.specification = specification;
    const { step, update } = specification;
    this.landed = { step: landedIn(step), update: landedIn(update) };
    this.of.step = this.walk(step);
    for (const { role, value } of step.outputs) {
      const sum = this.meanings.sum(this.of.step[value]);
      this.sums.set(roleKey(role), sum);
      this.know(sum, step.values[value].type);
    }
    if (update) this.of.update = this.walk(update);
  }

  /** Whether the graphs have a value of this meaning, and whether `type` is its type. */
  knows(meaning: Meaning, type: TensorType): 'yes' | 'of another type' | 'no' {
    const text = this.known.get(meaning);
    if (text === undefined) return 'no';
    return text === typeText(type) ? 'yes' : 'of another type';
  }

  /** Whether a value of this meaning is another for each microbatch. */
  varies(meaning: Meaning): boolean {
    return this.varying.has(meaning);
  }

  /** What the message brings that lands as this value; undefined: it does not travel. */
  message({ graph, value }: GraphValue): Meaning | undefined {
    return this.landed[graph].has(value) ? this.of[graph][value] : undefined;
  }

  /** What the classes of a group take and give. */
  boundary(group: number): Boundary {
    const known = this.boundaries.get(group);
    if (known) return known;
    const made = this.boundaryOf(group);
    this.boundaries.set(group, made);
    return made;
  }

  /** The meaning of every value of a graph. */
  private walk(graph: PlacedGraph): readonly Meaning[] {
    const of: Meaning[] = [];
    const set = (id: PlacedId, meaning: Meaning): void => {
      of[id] = meaning;
      this.know(meaning, graph.values[id].type);
    };
    for (const { role, kind, value } of graph.inputs) {
      set(value, this.inputOf(role));
      if (kind === 'data') this.varying.add(of[value]);
    }
    for (const step of graph.steps) {
      const operands = step.inputs.map((id) => of[id]);
      const varies = operands.some((operand) => this.varying.has(operand));
      step.outputs.forEach((id, k) => {
        set(id, this.made(step, operands, k));
        if (varies) this.varying.add(of[id]);
      });
    }
    return of;
  }

  /** Result `k` of a step. */
  private made(step: PlacedStep, operands: readonly Meaning[], k: number): Meaning {
    switch (step.kind) {
      case 'op':
        return this.meanings.result(step, operands, k);
      case 'pack':
        return this.meanings.bucket(operands);
      case 'unpack':
        return this.meanings.part(operands[0], k);
      case 'move':
      case 'transfer':
        return operands[0];
    }
  }

  /** Values are sums of the step, a bucket of parameters is its members. */
  private inputOf(role: Role): Meaning {
    const isSum = role.kind === 'gradient' || role.kind === 'result';
    const sum = isSum ? this.sums.get(roleKey(role)) : undefined;
    if (sum !== undefined) return sum;
    const bucket = role.kind === 'parameter' ? bucketOfRole(this.specification.buckets, role) : undefined;
    return bucket
      ? this.meanings.bucket(bucket.members.map((member) => this.meanings.input(parameterRole(member.name))))
      : this.meanings.input(role);
  }

  private boundaryOf(group: number): Boundary {
    const { step, update, buckets } = this.specification;
    const state = new Map<string, StatedState>();
    const [scalars, data, results] = [new Map<string, Stated>(), new Map<string, Stated>(), new Map<string, Stated>()];
    const packed = buckets.filter((bucket) => bucket.group === group);
    for (const { name, ...stored } of storedState(this.specification, group)) {
      const meaning = this.inputOf(stored.role);
      state.set(name, { ...stored, meaning, after: meaning });
    }
    for (const graph of update ? [step, update] : [step]) {
      for (const { role, name, kind, value } of graph.inputs) {
        const { type, layout, group: at } = graph.values[value];
        if (at !== group || (kind !== 'scalar' && kind !== 'data')) continue;
        (kind === 'scalar' ? scalars : data).set(name, { role, type, layout, meaning: this.inputOf(role) });
      }
    }
    if (update) this.addUpdated(update, group, state, results);
    else
      for (const { role, name, value } of step.outputs) {
        const { type, layout, group: at } = step.values[value];
        if (at === group) results.set(name, { role, type, layout, meaning: this.sums.get(roleKey(role))! });
      }
    return { state, scalars, data, results, buckets: new Map(packed.map((bucket) => bucketEntry(bucket))) };
  }

  /** The update's outputs: new values of state, of a bucket's members, or results. */
  private addUpdated(
    update: PlacedGraph,
    group: number,
    state: Map<string, StatedState>,
    results: Map<string, Stated>,
  ): void {
    for (const { role, name, value } of update.outputs) {
      const { type, layout, group: at } = update.values[value];
      if (at !== group) continue;
      const meaning = this.of.update[value];
      const own = this.specification.buckets.filter((one) => one.group === group);
      const bucket = role.kind === 'parameter' ? bucketOfRole(own, role) : undefined;
      const replaced = state.get(name);
      if (replaced) state.set(name, { ...replaced, after: meaning });
      else if (!bucket) results.set(name, { role, type, layout, meaning });
      if (!bucket || isGathered(bucket)) continue;
      bucket.members.forEach((member, k) => {
        const after = this.meanings.part(meaning, k);
        this.know(after, member.type);
        const its = nameOf(parameterRole(member.name));
        state.set(its, { ...state.get(its)!, after });
      });
    }
  }

  private know(meaning: Meaning, type: TensorType): void {
    this.known.set(meaning, typeText(type));
  }
}

/** A bucket's name, and what lies in it. */
function bucketEntry(bucket: Bucket): readonly [string, readonly PackedTensor[]] {
  const role = parameterRole(bucket.name);
  return [nameOf(role), tensorsIn(bucket, role)];
}

/** Values that messages bring. */
const landedIn = (graph: PlacedGraph | null): ReadonlySet<PlacedId> =>
  new Set(graph?.steps.flatMap((step) => (step.kind === 'transfer' ? step.outputs : [])));

/** Element type and sizes; a version of a value may name its factors otherwise. */
const typeText = (type: TensorType): string => `${type.dtype} ${sizesOf(type).join(' ')}`;

/** Tensors as a bucket holds them: names, types and layouts, in order, and which are padding: a host writes zeros there, and reads none. */
export const contentsText = (tensors: readonly PackedTensor[] | null): string =>
  tensors
    ?.map(({ name, type, layout, isPadding }) => {
      const text = `${name}: ${printType(type)} ${printLayout(layout)}`;
      return isPadding ? `${text} as padding` : text;
    })
    .join(', ') ?? '';
