/**
 * Placed graphs → the program of one class of ranks.
 *
 * The step graph (forward and backward of one scheduled microbatch) becomes one template a direction; the update graph joins the last
 * backward, so that gradients are reduced while the rest is still being computed. Variants differ in one thing: the first microbatch
 * writes what is summed over microbatches, later ones accumulate into it.
 */
import type { Phase, Source } from '../ir/graph.js';
import type { DType } from '../ir/dtype.js';
import { printLayout, sameLayout } from '../ir/layout.js';
import type { Coordinates, Mesh } from '../ir/mesh.js';

import { opNamed, type OpRegistry, type ResultView } from '../ir/op.js';
import { elementsOf, factorsOf, namesOf } from '../ir/type.js';
import type {
  PlacedGraph,
  PlacedId,
  PlacedMove,
  PlacedOp,
  PlacedStep,
  PlacedTransfer,
  PlacedValue,
} from '../partition/placed.js';
import { isLocal } from '../reshard/moves.js';
import { lowerMove, type LoweredMove } from '../reshard/lower.js';
import type { Slot } from '../schedule/table.js';
import { assignMemory, type UnplacedStep } from './assign_memory.js';
import type { PlanMemoryOptions } from './memory/index.js';
import { bucketsOf, type Bucket } from './buckets.js';
import { ClassValues, rowMajor } from './class_values.js';
import { dataflowHash, moveLine, opLine, tileLine, transferLine, valueText, viewsRead } from './dataflow.js';
import { storageDiffers, updateNotInPlace } from './diagnostics.js';
import { messagesOf } from './edges.js';
import type { KernelChooser } from './kernel_choice.js';
import { Pending, TemplateWriter } from './lane_events.js';
import { sectionOf, type Listed } from './sections.js';
import type {
  Access,
  ContractEntry,
  Operand,
  RankClass,
  Stage,
  StageEdge,
  Template,
  ValueIndex,
  ViewOp,
} from './program.js';

export interface ClassRequest {
  readonly name: string;
  readonly stage: number;
  readonly members: readonly Coordinates[];
  readonly stages: readonly Stage[];
  /** Forward and backward of one scheduled microbatch. Its outputs are summed over microbatches. */
  readonly step: PlacedGraph;
  /** What runs once, after the last microbatch; it reads the step's outputs by name. Null: there is none (evaluation). */
  readonly update: PlacedGraph | null;
  readonly slots: readonly Slot[];
  readonly registry: OpRegistry;
  readonly kernels: KernelChooser;
  /** Limits of the search for addresses. */
  readonly memory?: PlanMemoryOptions;
}

export interface LoweredClass extends RankClass {
  /** The largest sum of bytes live under happens-before: what {@link RankClass.arenaBytes} is measured against. */
  readonly liveBytes: number;
}

export function lowerClass(request: ClassRequest): LoweredClass {
  return new ClassLowering(request).run();
}

/** Which graph a placed value belongs to. */
type Origin = 'step' | 'update';

class ClassLowering {
  private readonly request: ClassRequest;
  private readonly mesh: Mesh;
  private readonly at: Coordinates;
  private readonly values: ClassValues;
  private readonly indexOf: Record<Origin, Map<PlacedId, ValueIndex>> = { step: new Map(), update: new Map() };
  private readonly pending = new Pending();
  private readonly results: Record<string, ValueIndex> = {};
  private readonly after: ContractEntry[] = [];
  private readonly uses: Record<Origin, ReadonlyMap<PlacedId, number>>;
  private writer!: TemplateWriter;
  private lines: string[] = [];
  /** Views → the line of the op that makes them, in whichever template it stands. */
  private readonly viewLines = new Map<ValueIndex, string>();
  /** True while a variant is lowered whose microbatch adds to what is there. */
  private accumulating = false;
  /** Outputs of the step graph → their sums. */
  private readonly sums = new Map<PlacedId, ValueIndex>();

  constructor(request: ClassRequest) {
    this.request = request;
    this.mesh = request.step.meshes[request.stage];
    this.at = request.members[0];
    this.values = new ClassValues(this.mesh, this.at);
    this.uses = { step: countUses(request.step), update: request.update ? countUses(request.update) : new Map() };
  }

  run(): LoweredClass {
    const { request } = this;
    this.declareInputs();
    this.declareSums();
    if (request.update) this.planUpdatesInPlace(request.update);
    const schedule = this.scheduleSteps();
    const templates = [...new Set(schedule.map((step) => step.template))].map((name) => this.template(name));
    const before = this.values.table.flatMap((value, at): ContractEntry[] =>
      value.lifetime === 'persistent' && !value.view && this.isState(value.name) ? [{ at, holds: at }] : [],
    );
    const updated = new Map(this.after.map((entry) => [entry.at, entry]));
    const kept = new Set(Object.values(this.results));
    const memory = assignMemory(this.values.table, templates, schedule, kept, this.request.memory);
    return {
      name: request.name,
      stage: request.stage,
      members: request.members,
      values: this.values.table,
      templates,
      schedule: memory.schedule,
      before: { values: before },
      after: { values: before.map((entry) => updated.get(entry.at) ?? entry) },
      arenaBytes: memory.arenaBytes,
      liveBytes: memory.liveBytes,
      inputs: this.hostWritten(),
      results: this.results,
    };
  }

  /** Scalars of both graphs. */
  private hostWritten(): readonly ValueIndex[] {
    const scalars = (['step', 'update'] as const).flatMap((origin) =>
      (this.graph(origin)?.inputs ?? []).flatMap((input) => {
        const index = input.kind === 'scalar' ? this.indexOf[origin].get(input.value) : undefined;
        return index === undefined ? [] : [index];
      }),
    );
    return [...new Set(scalars)];
  }

  private isState(name: string): boolean {
    const of = (graph: PlacedGraph | null) =>
      graph?.inputs.some((input) => input.name === name && (input.kind === 'parameter' || input.kind === 'state'));
    return Boolean(of(this.request.step) || of(this.request.update));
  }

  /** Inputs of both graphs: one persistent value a name; data has an instance a microbatch. */
  private declareInputs(): void {
    for (const origin of ['step', 'update'] as const) {
      const graph = this.graph(origin);
      for (const input of graph?.inputs ?? []) {
        const placed = graph!.values[input.value];
        if (placed.stage !== this.request.stage || input.kind === 'value') continue;
        const known = this.values.find(input.name);
        if (known !== null && !sameLayout(this.values.get(known).layout, placed.layout)) {
          throw storageDiffers({ name: input.name, step: this.values.get(known).layout, update: placed.layout });
        }
        const lifetime = input.kind === 'data' ? 'data' : 'persistent';
        this.indexOf[origin].set(input.value, known ?? this.values.add(placed, input.name, lifetime));
      }
    }
  }

  /** The step's outputs: sums over microbatches, which the update reads under the same names. */
  private declareSums(): void {
    const { step, update, stage } = this.request;
    for (const output of step.outputs) {
      const placed = step.values[output.value];
      if (placed.stage !== stage) continue;
      const sum = this.values.add(placed, `sum ${output.name}`, 'sum');
      this.sums.set(output.value, sum);
      if (!update) this.results[output.name] = sum;
      for (const input of update?.inputs ?? []) {
        if (input.name !== output.name || update!.values[input.value].stage !== stage) continue;
        this.indexOf.update.set(input.value, sum);
      }
    }
    if (update) bucketsOf(step, update, stage).forEach((bucket, i) => this.declareBucket(bucket, `bucket ${i}`));
  }

  /** Sums that are reduced together lie one behind the other. */
  private declareBucket(bucket: Bucket, name: string): void {
    const sums = bucket.map((id) => this.sums.get(id)!);
    const { dtype } = this.values.get(sums[0]).type;
    const elements = sums.map((sum) => elementsOf(this.values.get(sum).type));
    const buffer = this.values.addBuffer(
      name,
      dtype,
      elements.reduce((a, b) => a + b, 0),
      'sum',
    );
    let offset = 0;
    sums.forEach((sum, i) => {
      this.values.alias(sum, buffer, offset);
      offset += elements[i];
    });
  }

  /** Outputs of the update that replace a persistent value are written over it, where nothing reads the old one later. */
  private planUpdatesInPlace(update: PlacedGraph): void {
    for (const output of update.outputs) {
      const placed = update.values[output.value];
      if (placed.stage !== this.request.stage) continue;
      const state = update.inputs.find((i) => i.name === output.name && update.values[i.value].stage === placed.stage);
      if (!state || (state.kind !== 'parameter' && state.kind !== 'state')) {
        this.results[output.name] = this.valueIndex('update', output.value, 'persistent');
        continue;
      }
      const at = this.indexOf.update.get(state.value)!;
      if (output.value === state.value) continue;
      assertInPlace(update, output.value, state.value, output.name);
      const holds = this.values.add(placed, `new ${output.name}`, 'persistent', {
        of: at,
        offset: 0,
        strides: rowMajor(this.values.get(at).type),
        made: null,
      });
      this.indexOf.update.set(output.value, holds);
      this.after.push({ at, holds });
    }
  }

  private scheduleSteps(): UnplacedStep[] {
    const { slots } = this.request;
    return slots.map(({ direction, microbatch }, i) => {
      const first = microbatch === 0 ? '.first' : '';
      const last = i === slots.length - 1 ? '.last' : '';
      return { template: `${direction}${first}${last}`, microbatch };
    });
  }

  private template(name: string): Template {
    const [direction, ...variant] = name.split('.');
    this.accumulating = !variant.includes('first');
    this.writer = new TemplateWriter((value) => this.values.extentOf(value), this.pending);
    this.lines = [];
    const { step, update, stage } = this.request;
    const body = sectionOf(step, stage, direction as Phase);
    const tail = variant.includes('last') && update ? sectionOf(update, stage, null) : [];
    const origins = new Map<Listed, Origin>([
      ...body.map((listed) => [listed, 'step'] as const),
      ...tail.map((listed) => [listed, 'update'] as const),
    ]);
    for (const listed of this.interleave(body, tail)) this.lower(origins.get(listed)!, listed);
    if (variant.includes('last')) this.writer.drain();
    const views = [...viewsRead(this.writer.body, this.values.table)].map((view) => this.viewLines.get(view)!);
    return { name, body: this.writer.body, dataflow: dataflowHash([...this.lines, ...views]) };
  }

  /** Puts each move of the tail that reads a sum right after the step of the body that completes the sum. */
  private interleave(body: readonly Listed[], tail: readonly Listed[]): Listed[] {
    const completes = new Map<ValueIndex, number>();
    body.forEach(({ step, part }, i) =>
      step.outputs.forEach((output) => {
        const sum = this.sums.get(output);
        if (sum !== undefined && part !== 'send' && part !== 'receive') completes.set(sum, i);
      }),
    );
    const after = new Map<number, Listed[]>();
    const rest: Listed[] = [];
    for (const listed of tail) {
      const sum = listed.step.kind === 'move' ? this.indexOf.update.get(listed.step.inputs[0]) : undefined;
      const at = sum === undefined ? undefined : completes.get(sum);
      if (at === undefined) rest.push(listed);
      else after.set(at, [...(after.get(at) ?? []), listed]);
    }
    return [...body.flatMap((listed, i) => [listed, ...(after.get(i) ?? [])]), ...rest];
  }

  private lower(origin: Origin, { step, part }: Listed): void {
    if (step.kind === 'op') this.lowerOp(origin, step);
    else if (step.kind === 'move') this.lowerMove(origin, step);
    else this.lowerTransfer(origin, step, part);
    if (origin === 'step' && part !== 'send' && part !== 'receive') {
      for (const output of step.outputs) this.completeSum(output, step);
    }
  }

  private lowerOp(origin: Origin, step: PlacedOp): void {
    const { op, rule, attributes, assignment, source } = step;
    const definition = opNamed(this.request.registry, op);
    const inputs = step.inputs.map((id): Operand => ({ value: this.valueIndex(origin, id), access: 'read' }));
    const views = definition.view?.(
      rule,
      attributes,
      inputs.map(({ value }) => this.stridesOf(value)),
    );
    if (views) {
      this.declareViews(
        origin,
        step,
        inputs.map(({ value }) => value),
        views,
      );
      return;
    }
    const outputs = step.outputs.map((id): Operand => this.result(origin, id));
    const shape = {
      op,
      rule,
      attributes,
      inputs: inputs.map(({ value }) => this.values.get(value).type),
      outputs: outputs.map(({ value }) => this.values.get(value).type),
      sameInputs: inputs.every(({ value }) => value === inputs[0].value),
    };
    const scratchBytes = this.request.kernels.scratchBytes(shape);
    const label = outputs.map(({ value }) => this.values.get(value).name).join(', ');
    const scratch = scratchBytes > 0 ? this.staging(`${label} workspace`, 'bool', scratchBytes) : null;
    this.writer.emit(
      { kind: 'kernel', op, rule, assignment, attributes, inputs, outputs, scratch, lane: 'compute', source },
      label,
    );
    this.lines.push(
      opLine(
        op,
        rule,
        attributes,
        assignment,
        step.inputs.map((id) => this.textOf(origin, id)),
        step.outputs.map((id) => {
          const summed = this.summedDirectly(origin, id);
          return { text: this.textOf(origin, id), accumulates: summed && this.accumulating };
        }),
      ),
    );
  }

  private lowerMove(origin: Origin, step: PlacedMove): void {
    const { move, source } = step;
    const placed = this.graph(origin)!.values[step.inputs[0]];
    const input: Operand = { value: this.valueIndex(origin, step.inputs[0]), access: 'read' };
    const lowered = this.request.members.map((at) => lowerMove(this.mesh, placed.type, move, at));
    const base = { move, global: placed.type, source };
    const inPlace = this.reducesInPlace(origin, step);
    const output = this.result(origin, step.outputs[0]);
    if (inPlace) this.values.aliasOf(output.value, input.value);
    const name = this.values.get(output.value).name;
    if (isLocal(move)) {
      this.writer.emit({ kind: 'unpack', ...base, input, output, lane: 'compute' }, name);
      this.lines.push(
        moveLine('unpack', move, this.textOf(origin, step.inputs[0]), this.textOf(origin, step.outputs[0])),
      );
      return;
    }
    const { collective } = lowered[0];
    const elements = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0);
    const lane = `group:${[...move.axes].sort().join('*')}` as const;
    let sent = input;
    if (lowered.some((l: LoweredMove) => l.pack !== null)) {
      sent = {
        value: this.staging(`${name} packed`, placed.type.dtype, elements(collective!.inputCounts)),
        access: 'write',
      };
      this.writer.emit({ kind: 'pack', ...base, input, output: sent, lane: 'compute' }, `${name} packed`);
      this.lines.push(moveLine('pack', move, this.textOf(origin, step.inputs[0]), this.stagingText(sent.value)));
      sent = { ...sent, access: 'read' };
    }
    const unpacks = lowered.some((l: LoweredMove) => l.unpack !== null);
    const received: Operand = unpacks
      ? {
          value: this.staging(`${name} received`, placed.type.dtype, elements(collective!.outputCounts)),
          access: 'write',
        }
      : output;
    const receivedName = this.values.get(received.value).name;
    const sentText = sent === input ? this.textOf(origin, step.inputs[0]) : this.stagingText(sent.value);
    const receivedText = unpacks ? this.stagingText(received.value) : this.textOf(origin, step.outputs[0]);
    this.writer.emit(
      {
        kind: 'collective',
        ...base,
        axes: move.axes,
        reduction: move.reduction ?? null,
        input: sent,
        output: received,
        lane,
      },
      receivedName,
    );
    this.lines.push(moveLine('collective', move, sentText, receivedText));
    if (unpacks) {
      this.writer.emit(
        { kind: 'unpack', ...base, input: { ...received, access: 'read' }, output, lane: 'compute' },
        name,
      );
      this.lines.push(moveLine('unpack', move, receivedText, this.textOf(origin, step.outputs[0])));
    }
  }

  /** A value leaves for another stage, or arrives from one: a message for each tile that this class's ranks share with a peer. */
  private lowerTransfer(origin: Origin, step: PlacedTransfer, part: Listed['part']): void {
    const graph = this.graph(origin)!;
    const { members, stages } = this.request;
    const [from, to] = [graph.values[step.inputs[0]], graph.values[step.outputs[0]]];
    const edge: StageEdge = {
      fromStage: step.fromStage,
      toStage: step.stage,
      global: from.type,
      from: from.layout,
      to: to.layout,
    };
    const sends = part === 'send';
    const block: Operand = sends
      ? { value: this.valueIndex(origin, from.id), access: 'read' }
      : { value: this.valueIndex(origin, to.id), access: 'write' };
    const messages = members.map((at) => messagesOf(stages, edge, sends ? 'outgoing' : 'incoming', at));
    const most = Math.max(...messages.map((list) => list.length));
    for (let message = 0; message < most; message++) {
      const elements = Math.max(...messages.map((list) => list[message]?.elements ?? 0));
      const peers = messages.map((list) => {
        const found = list[message];
        if (!found) return null;
        return sends ? found.toRank + stages[step.stage].firstRank : found.fromRank + stages[step.fromStage].firstRank;
      });
      this.message({ origin, step, part, edge, message, block, elements, peers, dtype: from.type.dtype });
    }
  }

  private message(m: {
    readonly origin: Origin;
    readonly step: PlacedTransfer;
    readonly edge: StageEdge;
    readonly message: number;
    readonly part: Listed['part'];
    readonly block: Operand;
    readonly elements: number;
    readonly peers: readonly (number | null)[];
    readonly dtype: DType;
  }): void {
    const { edge, message, block, peers } = m;
    const { source } = m.step;
    const name = this.graph(m.origin)!.values[m.step.inputs[0]].name;
    const tag = `${m.origin} ${name} ${edge.fromStage}>${edge.toStage}`;
    const buffer = this.staging(`${tag} ${m.part === 'send' ? 'sent' : 'received'} ${message}`, m.dtype, m.elements);
    const { name: bufferName } = this.values.get(buffer);
    const { name: blockName } = this.values.get(block.value);
    const base = { edge, message, source };
    if (m.part === 'send') {
      const packed: Operand = { value: buffer, access: 'write' };
      this.writer.emit({ kind: 'pack_tile', ...base, input: block, output: packed, lane: 'compute' }, bufferName);
      this.lines.push(tileLine({ kind: 'pack_tile', edge, message }, blockName, bufferName));
      const operand: Operand = { value: buffer, access: 'read' };
      this.writer.emit({ kind: 'send', ...base, peers, tag, operand, lane: 'send' }, `sent ${bufferName}`);
      this.lines.push(transferLine('send', tag, bufferName, peers));
    } else if (m.part === 'receive') {
      const operand: Operand = { value: buffer, access: 'write' };
      this.writer.emit({ kind: 'receive', ...base, peers, tag, operand, lane: 'receive' }, bufferName);
      this.lines.push(transferLine('receive', tag, bufferName, peers));
    } else {
      const received: Operand = { value: buffer, access: 'read' };
      this.writer.emit({ kind: 'unpack_tile', ...base, input: received, output: block, lane: 'compute' }, blockName);
      this.lines.push(tileLine({ kind: 'unpack_tile', edge, message }, bufferName, blockName));
    }
  }

  /** An output of the step that an instruction could not write into its sum directly is added to it. */
  private completeSum(output: PlacedId, step: PlacedStep): void {
    const sum = this.sums.get(output);
    if (sum === undefined || this.summedDirectly('step', output)) return;
    const value = this.valueIndex('step', output);
    const { global, layout } = this.values.get(value);
    const names = namesOf(global);
    const rule = {
      factors: Object.fromEntries(factorsOf(global).map(({ name, size }) => [name, { size }])),
      operands: [names],
      results: [names],
      reductions: ['sum' as const],
      linear: [[0]],
      letters: {},
      origins: [],
    };
    const attributes = { value: 1 };
    // Each axis keeps the role that it has in the value's layout.
    const through = Object.fromEntries(Object.keys(layout.partial).map((axis) => [axis, 0]));
    const assignment = { splits: layout.splits, through };
    const access: Access = this.accumulating ? 'accumulate' : 'write';
    const source: Source = step.source;
    this.writer.emit(
      {
        kind: 'kernel',
        op: 'scale',
        rule,
        assignment,
        attributes,
        inputs: [{ value, access: 'read' }],
        outputs: [{ value: sum, access }],
        scratch: null,
        lane: 'compute',
        source,
      },
      this.values.get(sum).name,
    );
    const placed = this.request.step.values[output];
    const text = valueText(this.values.get(sum).name, placed.type, placed.layout);
    const result = { text, accumulates: this.accumulating };
    this.lines.push(opLine('scale', rule, attributes, assignment, [this.textOf('step', output)], [result]));
  }

  /** True where the instruction that makes an output of the step may write it into the sum itself. */
  private summedDirectly(origin: Origin, id: PlacedId): boolean {
    if (origin !== 'step' || !this.sums.has(id)) return false;
    const maker = this.request.step.steps.find((step) => step.outputs.includes(id));
    if (!maker || maker.kind !== 'op' || this.uses.step.get(id) !== 1) return false;
    return !opNamed(this.request.registry, maker.op).view && this.request.kernels.accumulates(maker.op);
  }

  private result(origin: Origin, id: PlacedId): Operand {
    if (this.summedDirectly(origin, id)) {
      return { value: this.sums.get(id)!, access: this.accumulating ? 'accumulate' : 'write' };
    }
    return { value: this.valueIndex(origin, id), access: 'write' };
  }

  private valueIndex(origin: Origin, id: PlacedId, lifetime?: 'persistent'): ValueIndex {
    const known = this.indexOf[origin].get(id);
    if (known !== undefined) return known;
    const placed = this.graph(origin)!.values[id];
    const scope = origin === 'step' ? 'microbatch' : 'step';
    const index = this.values.add(placed, origin === 'step' ? placed.name : `update ${placed.name}`, lifetime ?? scope);
    this.indexOf[origin].set(id, index);
    return index;
  }

  /** The results of an op that moves no bytes; declared by the first template that meets it. */
  private declareViews(
    origin: Origin,
    { op, rule, assignment, attributes, outputs: ids, inputs: operands, source }: PlacedOp,
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
      this.indexOf[origin].set(id, this.values.add(placed, placed.name, lifetime, { of, offset, strides, made }));
    });
    const line = opLine(
      op,
      rule,
      attributes,
      assignment,
      operands.map((id) => this.textOf(origin, id)),
      ids.map((id) => ({ text: this.textOf(origin, id), accumulates: false })),
    );
    for (const output of outputs) this.viewLines.set(output, line);
  }

  private stridesOf(value: ValueIndex): readonly number[] {
    const { view, type } = this.values.get(value);
    return view?.strides ?? rowMajor(type);
  }

  private staging(name: string, dtype: PlacedValue['type']['dtype'], elements: number): ValueIndex {
    return this.values.find(name) ?? this.values.addBuffer(name, dtype, elements, 'microbatch');
  }

  /** An all-reduce may overwrite its operand where nothing else reads it. */
  private reducesInPlace(origin: Origin, step: PlacedMove): boolean {
    if (step.move.kind !== 'all_reduce') return false;
    const [input, output] = [step.inputs[0], step.outputs[0]];
    if (this.uses[origin].get(input) !== 1) return false;
    const { lifetime, view } = this.values.get(this.valueIndex(origin, input));
    if (lifetime === 'persistent' || lifetime === 'data' || (view && lifetime !== 'sum')) return false;
    const target = this.indexOf[origin].get(output);
    return target === undefined && !(origin === 'step' && this.sums.has(output));
  }

  /** The value an instruction makes of a placed value, by the type and layout that the placed graph gives it. */
  private textOf(origin: Origin, id: PlacedId): string {
    const { type, layout } = this.graph(origin)!.values[id];
    const index = this.summedDirectly(origin, id) ? this.sums.get(id)! : this.valueIndex(origin, id);
    return valueText(this.values.get(index).name, type, layout);
  }

  private stagingText(index: ValueIndex): string {
    const { name, global, layout } = this.values.get(index);
    return valueText(name, global, layout);
  }

  private graph(origin: Origin): PlacedGraph | null {
    return origin === 'step' ? this.request.step : this.request.update;
  }
}

function countUses(graph: PlacedGraph): ReadonlyMap<PlacedId, number> {
  const counts = new Map<PlacedId, number>();
  const use = (id: PlacedId) => counts.set(id, (counts.get(id) ?? 0) + 1);
  for (const step of graph.steps) step.inputs.forEach(use);
  for (const output of graph.outputs) use(output.value);
  return counts;
}

/** The new value may lie where the old one does if every reader of the old one comes no later than the op that makes the new. */
function assertInPlace(update: PlacedGraph, made: PlacedId, old: PlacedId, name: string): void {
  const at = update.steps.findIndex((step) => step.outputs.includes(made));
  const late = update.steps.find((step, i) => i > at && step.inputs.includes(old));
  if (late) throw updateNotInPlace({ name, reader: `${late.source.path} ${printLayout(update.values[old].layout)}` });
}
