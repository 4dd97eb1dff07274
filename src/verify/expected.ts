/**
 * What a program must compute, derived from the placed graphs that it was made from: nothing here comes from the lowering.
 *
 * The step graph is one microbatch; its outputs are summed over microbatches, and the update reads the sums under the outputs' names. A
 * bucket is its members, one behind the other, and what the update makes of it is its members' new values.
 */
import { printLayout, type Layout } from '../ir/layout.js';
import { Meanings, type Meaning } from '../ir/meaning.js';
import type { OpRegistry } from '../ir/op.js';
import { printType, sizesOf, type TensorType } from '../ir/type.js';
import { bucketNamed, isGathered, ofMember, type Bucket } from '../partition/buckets.js';
import type { PackedTensor } from '../partition/packing.js';
import type { PlacedGraph, PlacedId, PlacedInput, PlacedStep } from '../partition/placed.js';

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
  private readonly messages = new Map<string, Meaning>();
  private readonly sums = new Map<string, Meaning>();
  private readonly step: readonly Meaning[];
  private readonly update: readonly Meaning[];
  private readonly boundaries = new Map<number, Boundary>();

  constructor(specification: Specification, registry: OpRegistry) {
    this.meanings = new Meanings(registry);
    this.specification = specification;
    const { step, update } = specification;
    this.step = this.walk(step, 'step', (input) => this.inputOf(input));
    for (const { name, value } of step.outputs) {
      const sum = this.meanings.sum(this.step[value]);
      this.sums.set(name, sum);
      this.know(sum, step.values[value].type);
    }
    this.update = update ? this.walk(update, 'update', (input) => this.inputOf(input)) : [];
  }

  /** Whether the graphs have a value of this meaning, and whether `type` is its type. */
  knows(meaning: Meaning, type: TensorType): 'yes' | 'of another type' | 'no' {
    const text = this.known.get(meaning);
    if (text === undefined) return 'no';
    return text === typeText(type) ? 'yes' : 'of another type';
  }

  /** What the message that bears this tag brings; undefined: no value with that name travels. */
  message(tag: string): Meaning | undefined {
    return this.messages.get(tag);
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
  private walk(
    graph: PlacedGraph,
    origin: 'step' | 'update',
    input: (input: PlacedInput) => Meaning,
  ): readonly Meaning[] {
    const of: Meaning[] = [];
    const set = (id: PlacedId, meaning: Meaning): void => {
      of[id] = meaning;
      this.know(meaning, graph.values[id].type);
    };
    for (const one of graph.inputs) set(one.value, input(one));
    for (const step of graph.steps) {
      const operands = step.inputs.map((id) => of[id]);
      step.outputs.forEach((id, k) => set(id, this.made(step, operands, k)));
      if (step.kind === 'transfer')
        this.messages.set(`${origin} ${graph.values[step.outputs[0]].name}`, of[step.outputs[0]]);
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
      default:
        return operands[0];
    }
  }

  /** Values are sums of the step, a bucket of parameters is its members. */
  private inputOf({ name, kind }: PlacedInput): Meaning {
    const sum = kind === 'value' ? this.sums.get(name) : undefined;
    if (sum !== undefined) return sum;
    const bucket = kind === 'parameter' ? this.specification.buckets.find((one) => one.name === name) : undefined;
    return bucket
      ? this.meanings.bucket(bucket.members.map((member) => this.meanings.input(member.name)))
      : this.meanings.input(name);
  }

  private boundaryOf(group: number): Boundary {
    const { step, update, buckets } = this.specification;
    const state = new Map<string, StatedState>();
    const [scalars, data, results] = [new Map<string, Stated>(), new Map<string, Stated>(), new Map<string, Stated>()];
    const packed = buckets.filter((bucket) => bucket.group === group);
    for (const bucket of packed) {
      if (isGathered(bucket)) continue;
      for (const member of bucket.members) {
        const meaning = this.meanings.input(member.name);
        const tensors = member.isPadding ? [member] : null;
        state.set(member.name, { type: member.type, layout: member.layout, meaning, after: meaning, tensors });
      }
    }
    for (const graph of update ? [step, update] : [step]) {
      for (const input of graph.inputs) {
        const { name, kind, value } = input;
        const { type, layout, group: at } = graph.values[value];
        const lies = packed.find((bucket) => bucket.name === name);
        if (at !== group || kind === 'value' || (lies && !isGathered(lies))) continue;
        const stated = { type, layout, meaning: this.inputOf(input) };
        if (kind === 'scalar') scalars.set(name, stated);
        else if (kind === 'data') data.set(name, stated);
        else state.set(name, { ...stated, after: stated.meaning, tensors: this.tensorsOf(name) });
      }
    }
    if (update) this.addUpdated(update, group, state, results);
    else
      for (const { name, value } of step.outputs) {
        const { type, layout, group: at } = step.values[value];
        if (at === group) results.set(name, { type, layout, meaning: this.sums.get(name)! });
      }
    return { state, scalars, data, results, buckets: new Map(packed.map(({ name, members }) => [name, members])) };
  }

  /** The update's outputs: new values of state, of a bucket's members, or results. */
  private addUpdated(
    update: PlacedGraph,
    group: number,
    state: Map<string, StatedState>,
    results: Map<string, Stated>,
  ): void {
    for (const { name, value } of update.outputs) {
      const { type, layout, group: at } = update.values[value];
      if (at !== group) continue;
      const meaning = this.update[value];
      const bucket = this.specification.buckets.find((one) => one.name === name && one.group === group);
      const replaced = state.get(name);
      if (replaced) state.set(name, { ...replaced, after: meaning });
      else if (!bucket) results.set(name, { type, layout, meaning });
      if (!bucket || isGathered(bucket)) continue;
      bucket.members.forEach((member, k) => {
        const after = this.meanings.part(meaning, k);
        this.know(after, member.type);
        state.set(member.name, { ...state.get(member.name)!, after });
      });
    }
  }

  private tensorsOf(name: string): readonly PackedTensor[] | null {
    const bucket = bucketNamed(this.specification.buckets, name);
    return bucket?.members.map((member) => ({ ...member, name: ofMember(name, bucket, member) })) ?? null;
  }

  private know(meaning: Meaning, type: TensorType): void {
    this.known.set(meaning, typeText(type));
  }
}

/** Element type and sizes; a version of a value may name its factors otherwise. */
const typeText = (type: TensorType): string => `${type.dtype} ${sizesOf(type).join(' ')}`;

/** Tensors as a bucket holds them: names, types and layouts, in order. */
export const contentsText = (tensors: readonly PackedTensor[] | null): string =>
  tensors?.map(({ name, type, layout }) => `${name}: ${printType(type)} ${printLayout(layout)}`).join(', ') ?? '';
