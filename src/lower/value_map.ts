/**
 * Which value of a class's program stands for each value of the placed graphs.
 *
 * Inputs of both graphs are one persistent value a role (`stored_values.ts`). The step's outputs are sums over microbatches, which the
 * update reads in the same roles (`summed_values.ts`). What replaces a persistent value is written over it.
 */
import { GraphBuilder } from '../ir/builder.js';
import type { DType } from '../ir/dtype.js';
import type { Node } from '../ir/graph.js';
import { opNamed, type ResultView } from '../ir/op.js';
import { elementsOf, printType, type TensorType } from '../ir/type.js';
import {
  makersOf,
  placedUses,
  type PlacedGraph,
  type PlacedId,
  type PlacedMove,
  type PlacedOp,
  type PlacedStep,
  type PlacedValue,
} from '../partition/placed.js';
import type { ClassRequest } from './class_request.js';
import { ClassValues } from './class_values.js';
import { placeOf } from '../program/place.js';
import type { Contract, GraphValue, ValueIdentity, Operand, ValueIndex, ViewOp } from '../program/program.js';
import { contractsOf, declareInputs, updateInPlace, type Known, type Updates } from './stored_values.js';
import { declareSums } from './summed_values.js';

/** Which graph a placed value belongs to. */
export type Origin = GraphValue['graph'];

export class ValueMap {
  readonly values: ClassValues;
  /** What the host reads after a step, by name. */
  readonly results: Readonly<Record<string, ValueIndex>>;
  /** Outputs of the step graph → their sums. */
  readonly sums: ReadonlyMap<PlacedId, ValueIndex>;
  private readonly request: ClassRequest;
  /** By type. */
  private readonly copies = new Map<string, Node>();
  private readonly indexOf: Known = { step: new Map(), update: new Map() };
  private readonly state: ReadonlySet<ValueIndex>;
  private readonly updates: Updates;
  private readonly uses: Record<Origin, ReadonlyMap<PlacedId, number>>;
  private readonly makers: ReadonlyMap<PlacedId, PlacedStep>;
  /** What moves and transfers read. */
  private readonly moved: Record<Origin, ReadonlySet<PlacedId>>;

  constructor(request: ClassRequest) {
    this.request = request;
    this.values = new ClassValues(request.step.meshes[request.group], request.members[0]);
    this.makers = makersOf(request.step);
    this.uses = { step: placedUses(request.step), update: request.update ? placedUses(request.update) : new Map() };
    this.moved = { step: movedIn(request.step), update: request.update ? movedIn(request.update) : new Set() };
    this.state = declareInputs(request, this.values, this.indexOf);
    const { sums, results } = declareSums(request, this.values, this.indexOf, this.makers);
    this.sums = sums;
    this.declareBuckets();
    this.updates = updateInPlace(request, this.values, this.indexOf, (id) => this.index('update', id, 'persistent'));
    this.results = { ...results, ...this.updates.results };
  }

  /** What holds before a step and after it. */
  contracts(): { readonly before: Contract; readonly after: Contract } {
    return contractsOf(this.values, this.state, this.updates);
  }

  /** Scalars of both graphs. */
  hostWritten(): readonly ValueIndex[] {
    const scalars = (['step', 'update'] as const).flatMap((origin) =>
      (this.graph(origin)?.inputs ?? []).flatMap((input) => {
        const index = input.kind === 'scalar' ? this.indexOf[origin].get(input.value) : undefined;
        return index === undefined ? [] : [index];
      }),
    );
    return [...new Set(scalars)];
  }

  /** The value of a placed value, which is declared when it is first asked for. */
  index(origin: Origin, id: PlacedId, lifetime?: 'persistent'): ValueIndex {
    const known = this.indexOf[origin].get(id);
    if (known !== undefined) return known;
    const placed = this.graph(origin)!.values[id];
    const name = origin === 'step' ? placed.name : `update ${placed.name}`;
    const is: ValueIdentity = { kind: 'made', graph: origin, value: id };
    const index = this.values.add(placed, name, is, lifetime ?? this.instances(origin, id));
    this.indexOf[origin].set(id, index);
    return index;
  }

  /** Whether each microbatch has an instance of a placed value, or a step one. */
  instances(origin: Origin, id: PlacedId): 'microbatch' | 'step' {
    return origin === 'update' || this.request.step.values[id].scope === 'step' ? 'step' : 'microbatch';
  }

  /** The value as an instruction writes it: into its sum where it may. */
  result(origin: Origin, id: PlacedId, accumulating: boolean): Operand {
    if (this.summedDirectly(origin, id)) {
      return { value: this.sums.get(id)!, access: accumulating ? 'accumulate' : 'write' };
    }
    return { value: this.index(origin, id), access: 'write' };
  }

  /** The sum that an input of the update is, if it is one. */
  sumOf(update: PlacedId): ValueIndex | undefined {
    return this.indexOf.update.get(update);
  }

  isMoved(origin: Origin, id: PlacedId): boolean {
    return this.moved[origin].has(id);
  }

  /** What a bucket consists of; any other value is itself. */
  partsOf(value: ValueIndex): readonly ValueIndex[] {
    return this.values.get(value).parts ?? [value];
  }

  /** True where the instruction that makes an output of the step may write it into the sum itself. */
  summedDirectly(origin: Origin, id: PlacedId): boolean {
    if (origin !== 'step' || !this.sums.has(id)) return false;
    const maker = this.makers.get(id);
    // A bucket is summed as its members are.
    if (maker?.kind === 'pack') return true;
    if (!maker || maker.kind !== 'op' || this.uses.step.get(id) !== 1) return false;
    return !opNamed(this.request.registry, maker.op).view && this.request.kernels.accumulates(maker.op);
  }

  /** The results of an op that moves no bytes; declared by the first template that meets it. */
  declareViews(
    origin: Origin,
    { op, rule, assignment, attributes, outputs: ids, source }: PlacedOp,
    inputs: readonly ValueIndex[],
    views: readonly ResultView[],
  ): void {
    if (this.indexOf[origin].has(ids[0])) return;
    const first = this.values.table.length;
    const outputs = ids.map((_, i) => first + i);
    const made: ViewOp = { op, rule, assignment, attributes, inputs, outputs, source };
    ids.forEach((id, i) => {
      const placed: PlacedValue = this.graph(origin)!.values[id];
      const { operand, strides } = views[i];
      const viewed = this.values.get(inputs[operand]);
      // A view of a view: offsets add, strides are already those of the buffer.
      const of = viewed.view ? viewed.view.of : inputs[operand];
      const offset = (viewed.view?.offset ?? 0) + views[i].offset;
      const { lifetime } = this.values.get(of);
      this.indexOf[origin].set(
        id,
        this.values.add(placed, placed.name, { kind: 'made', graph: origin, value: id }, lifetime, {
          view: { of, offset, strides, made },
        }),
      );
    });
  }

  stridesOf(value: ValueIndex): readonly number[] {
    return placeOf(this.values.table, value).strides;
  }

  /** A contiguous buffer that lives within a slot, or for a message as long as it travels: one for each name and size. */
  staging(name: string, dtype: DType, elements: number, instances: 'microbatch' | 'step' = 'microbatch'): ValueIndex {
    const known = this.values.find(name);
    if (known === null) return this.values.addBuffer(name, dtype, elements, instances);
    return elementsOf(this.values.get(known).type) === elements
      ? known
      : this.staging(`${name} of ${elements}`, dtype, elements, instances);
  }

  /** An all-reduce may overwrite its operand where nothing else reads it. */
  reducesInPlace(origin: Origin, step: PlacedMove): boolean {
    if (step.move.kind !== 'all_reduce') return false;
    const [input, output] = [step.inputs[0], step.outputs[0]];
    if (this.uses[origin].get(input) !== 1) return false;
    const { lifetime, view } = this.values.get(this.index(origin, input));
    if (lifetime === 'persistent' || lifetime === 'data' || (view && lifetime !== 'sum')) return false;
    const target = this.indexOf[origin].get(output);
    return target === undefined && !(origin === 'step' && this.sums.has(output));
  }

  /** The node that copies a value of a type: once its elements. */
  copyOf(type: TensorType): Pick<Node, 'op' | 'rule' | 'attributes'> {
    const key = printType(type);
    let copy = this.copies.get(key);
    if (!copy) {
      const builder = new GraphBuilder(this.request.registry, 'copy');
      builder.input('x', 'value', type).mul(1);
      this.copies.set(key, (copy = builder.build().nodes[0]));
    }
    return copy;
  }

  graph(origin: Origin): PlacedGraph | null {
    return origin === 'step' ? this.request.step : this.request.update;
  }

  /** Buckets within a microbatch: what is unpacked or packed lies in them. */
  private declareBuckets(): void {
    for (const step of this.request.step.steps) {
      if (step.group !== this.request.group || (step.kind !== 'pack' && step.kind !== 'unpack')) continue;
      const [bucket, members] = step.kind === 'pack' ? [step.outputs[0], step.inputs] : [step.inputs[0], step.outputs];
      if (this.sums.has(bucket)) continue;
      const index = this.index('step', bucket);
      this.values.fill(
        index,
        members.map((id) => this.index('step', id)),
      );
    }
  }
}

const movedIn = ({ steps }: PlacedGraph): ReadonlySet<PlacedId> =>
  new Set(steps.flatMap((step) => (step.kind === 'op' ? [] : step.inputs)));
