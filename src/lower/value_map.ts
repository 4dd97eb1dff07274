/**
 * Which value of a class's program stands for each value of the placed graphs.
 *
 * Inputs of both graphs are one persistent value a name. The step's outputs are sums over microbatches, which the update reads under the
 * same names. What replaces a persistent value is written over it.
 */
import type { DType } from '../ir/dtype.js';
import { printLayout, sameLayout } from '../ir/layout.js';
import { opNamed, type ResultView } from '../ir/op.js';
import { rowMajor } from '../ir/strides.js';
import { elementsOf, sizesOf } from '../ir/type.js';
import { bucketNamed, isGathered, ofMember } from '../partition/buckets.js';
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
import { storageDiffers, updateNotInPlace } from './diagnostics.js';
import { placeOf } from '../program/place.js';
import type { Contract, ContractEntry, Operand, ValueIndex, ViewOp } from '../program/program.js';

/** Which graph a placed value belongs to. */
export type Origin = 'step' | 'update';

export class ValueMap {
  readonly values: ClassValues;
  /** What the host reads after a step, by name. */
  readonly results: Record<string, ValueIndex> = {};
  /** Outputs of the step graph → their sums. */
  readonly sums = new Map<PlacedId, ValueIndex>();
  private readonly request: ClassRequest;
  private readonly indexOf: Record<Origin, Map<PlacedId, ValueIndex>> = { step: new Map(), update: new Map() };
  private readonly after: ContractEntry[] = [];
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
    this.declareInputs();
    this.declareSums();
    this.declareBuckets();
    if (request.update) this.planUpdatesInPlace(request.update);
  }

  /** What holds before a step and after it. */
  contracts(): { readonly before: Contract; readonly after: Contract } {
    const before = this.values.table.flatMap((value, at): ContractEntry[] =>
      value.lifetime === 'persistent' && !value.parts && this.isState(value.name) ? [{ at, holds: at }] : [],
    );
    const updated = new Map(this.after.map((entry) => [entry.at, entry]));
    const after = before.map((entry) => updated.get(entry.at) ?? entry);
    return { before: { values: before }, after: { values: after } };
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
    const index = this.values.add(placed, name, lifetime ?? this.instances(origin, id));
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
        this.values.add(placed, placed.name, lifetime, { view: { of, offset, strides, made } }),
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

  graph(origin: Origin): PlacedGraph | null {
    return origin === 'step' ? this.request.step : this.request.update;
  }

  private isState(name: string): boolean {
    const of = (graph: PlacedGraph | null) =>
      graph?.inputs.some((input) => input.name === name && (input.kind === 'parameter' || input.kind === 'state'));
    const lies = this.request.buckets.some(({ members }) => members.some((member) => member.name === name));
    return Boolean(lies || of(this.request.step) || of(this.request.update));
  }

  /** Inputs of both graphs: one persistent value a name; data has an instance a microbatch. Buckets come first: others share them. */
  private declareInputs(): void {
    for (const { name, type, storage, members } of this.request.buckets) {
      this.values.add({ type, layout: storage }, name, 'persistent', { tensors: members });
    }
    for (const origin of ['step', 'update'] as const) {
      const graph = this.graph(origin);
      for (const input of graph?.inputs ?? []) {
        const placed = graph!.values[input.value];
        if (placed.group !== this.request.group || input.kind === 'value') continue;
        const known = this.values.find(input.name);
        if (known !== null && !sameLayout(this.values.get(known).layout, placed.layout)) {
          throw storageDiffers({ name: input.name, step: this.values.get(known).layout, update: placed.layout });
        }
        const bucket = bucketNamed(this.request.buckets, input.name);
        const tensors = bucket?.members.map((m) => ({ ...m, name: ofMember(input.name, bucket, m) })) ?? null;
        const lifetime = input.kind === 'data' ? 'data' : 'persistent';
        this.indexOf[origin].set(input.value, known ?? this.values.add(placed, input.name, lifetime, { tensors }));
      }
    }
    for (const bucket of this.request.buckets) {
      if (isGathered(bucket)) continue;
      const parts = bucket.members.map(
        (member) =>
          this.values.find(member.name) ??
          this.values.add(member, member.name, 'persistent', { tensors: member.isPadding ? [member] : null }),
      );
      this.values.fill(this.values.find(bucket.name)!, parts);
    }
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

  /** The step's outputs: sums over microbatches, which the update reads under the same names. */
  private declareSums(): void {
    const { step, update, group } = this.request;
    for (const output of step.outputs) {
      const placed = step.values[output.value];
      if (placed.group !== group) continue;
      const sum = this.values.add(placed, `sum ${output.name}`, 'sum');
      this.sums.set(output.value, sum);
      this.fillSum(sum, output.value);
      if (!update) this.results[output.name] = sum;
      for (const input of update?.inputs ?? []) {
        if (input.name !== output.name || update!.values[input.value].group !== group) continue;
        this.indexOf.update.set(input.value, sum);
      }
    }
  }

  /** The sum of a bucket is that of its members. */
  private fillSum(sum: ValueIndex, output: PlacedId): void {
    const pack = this.makers.get(output);
    if (pack?.kind !== 'pack') return;
    const parts = pack.inputs.map((id, k) => {
      const part = this.values.add(this.request.step.values[id], `sum ${pack.members[k].name}`, 'sum');
      this.sums.set(id, part);
      return part;
    });
    this.values.fill(sum, parts);
  }

  /** Outputs of the update that replace a persistent value are written over it, where nothing reads the old one later. */
  private planUpdatesInPlace(update: PlacedGraph): void {
    for (const output of update.outputs) {
      const placed = update.values[output.value];
      if (placed.group !== this.request.group) continue;
      const state = update.inputs.find((i) => i.name === output.name && update.values[i.value].group === placed.group);
      if (!state || (state.kind !== 'parameter' && state.kind !== 'state')) {
        this.results[output.name] = this.index('update', output.value, 'persistent');
        continue;
      }
      const at = this.indexOf.update.get(state.value)!;
      if (output.value === state.value) continue;
      assertInPlace(update, output.value, state.value, output.name);
      const holds = this.declareUpdated(at, placed, output.name);
      this.indexOf.update.set(output.value, holds);
      const parts = this.values.get(at).parts;
      if (!parts) {
        this.after.push({ at, holds });
        continue;
      }
      const updated = parts.map((part) => {
        const { name, global: type, layout } = this.values.get(part);
        const next = this.declareUpdated(part, { type, layout }, name);
        this.after.push({ at: part, holds: next });
        return next;
      });
      this.values.fill(holds, updated);
    }
  }

  /** What a persistent value is after the step, at its address. */
  private declareUpdated(at: ValueIndex, placed: Pick<PlacedValue, 'type' | 'layout'>, name: string): ValueIndex {
    const { view, type } = this.values.get(at);
    const strides = rowMajor(sizesOf(type));
    return this.values.add(placed, `new ${name}`, 'persistent', {
      view: { of: view?.of ?? at, offset: view?.offset ?? 0, strides, made: null },
    });
  }
}

const movedIn = ({ steps }: PlacedGraph): ReadonlySet<PlacedId> =>
  new Set(steps.flatMap((step) => (step.kind === 'op' ? [] : step.inputs)));

/** The new value may lie where the old one does if every reader of the old one comes no later than the op that makes the new. */
function assertInPlace(update: PlacedGraph, made: PlacedId, old: PlacedId, name: string): void {
  const at = update.steps.findIndex((step) => step.outputs.includes(made));
  const late = update.steps.find((step, i) => i > at && step.inputs.includes(old));
  if (late) throw updateNotInPlace({ name, reader: `${late.source.path} ${printLayout(update.values[old].layout)}` });
}
