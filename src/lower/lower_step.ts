/** Placed steps → instructions of one template. */
import type { DType } from '../ir/dtype.js';
import { opNamed } from '../ir/op.js';
import type { PlacedId, PlacedMove, PlacedOp, PlacedStep, PlacedTransfer } from '../partition/placed.js';
import { fills, lowerMove, unlikeRanks, type LoweredMove } from '../reshard/lower.js';
import { isLocal } from '../reshard/moves.js';
import type { ClassRequest } from './class_request.js';
import type { ClassValues } from './class_values.js';
import type { MessagesOfAll } from '../program/edges.js';
import { exchangeShape, kernelShape } from '../program/kernel_shape.js';
import { laneAlong, transferLane } from '../program/lane.js';
import type { TemplateWriter } from './lane_events.js';
import type { Access, GraphValue, GroupEdge, KernelInstruction, Operand, ValueIndex } from '../program/program.js';
import type { Listed } from './sections.js';
import type { Origin, ValueMap } from './value_map.js';

export class StepLowering {
  private readonly request: ClassRequest;
  private readonly map: ValueMap;
  private readonly messages: MessagesOfAll;
  private readonly values: ClassValues;
  private readonly writer: TemplateWriter;
  /** The microbatch adds to what is there. */
  private readonly accumulating: boolean;

  constructor(
    request: ClassRequest,
    map: ValueMap,
    messages: MessagesOfAll,
    writer: TemplateWriter,
    accumulating: boolean,
  ) {
    this.request = request;
    this.map = map;
    this.messages = messages;
    this.values = map.values;
    this.writer = writer;
    this.accumulating = accumulating;
  }

  lower(origin: Origin, { step, part }: Listed): void {
    if (step.kind === 'op') this.lowerOp(origin, step);
    else if (step.kind === 'move') this.lowerMove(origin, step);
    else if (step.kind === 'transfer') this.lowerTransfer(origin, step, part);
    // What is packed or unpacked lies where it is.
  }

  /** Adds to their sums the outputs of a step of a slot that are summed over microbatches. */
  completeSums({ step, part }: Listed): void {
    if (part === 'send' || part === 'receive') return;
    for (const output of step.outputs) this.completeSum(output, step);
  }

  private lowerOp(origin: Origin, step: PlacedOp): void {
    const { op, rule, attributes, assignment, source } = step;
    const definition = opNamed(this.request.registry, op);
    const inputs = step.inputs.map((id): Operand => ({ value: this.map.index(origin, id), access: 'read' }));
    const views = definition.view?.(
      rule,
      attributes,
      inputs.map(({ value }) => this.map.stridesOf(value)),
    );
    // Moves and transfers read blocks without gaps: what they read is a buffer, not a view with strides.
    if (views && !step.outputs.some((id) => this.map.isMoved(origin, id))) {
      this.map.declareViews(
        origin,
        step,
        inputs.map(({ value }) => value),
        views,
      );
      return;
    }
    const outputs = step.outputs.map((id): Operand => this.map.result(origin, id, this.accumulating));
    this.emitKernel({ op, rule, assignment, attributes, inputs, outputs, source });
  }

  /** An op by the kernel that the table prefers, in as much workspace as it takes. */
  private emitKernel(what: Omit<KernelInstruction, 'kind' | 'kernel' | 'scratch' | 'lane'>): void {
    const { kernels } = this.request;
    const shape = kernelShape(what, this.values.table);
    const kernel = kernels.choose(shape);
    const label = what.outputs.map(({ value }) => this.values.get(value).name).join(', ');
    const scratch = this.workspace(label, kernels.scratchBytes(kernel, shape)!);
    this.writer.emit({ kind: 'kernel', ...what, kernel, scratch, lane: 'compute' }, label);
  }

  private workspace(label: string, bytes: number): ValueIndex | null {
    return bytes > 0 ? this.map.staging(`${label} workspace`, 'bool', bytes) : null;
  }

  private lowerMove(origin: Origin, step: PlacedMove): void {
    const { move, source } = step;
    const placed = this.map.graph(origin)!.values[step.inputs[0]];
    const input: Operand = { value: this.map.index(origin, step.inputs[0]), access: 'read' };
    const mesh = this.request.step.meshes[this.request.group];
    const unlike = unlikeRanks(mesh, placed.type, move, this.request.members);
    const lowered = unlike.map((at) => lowerMove(mesh, placed.type, move, at));
    const base = { move, global: placed.type, source };
    const inPlace = this.map.reducesInPlace(origin, step);
    const output = this.map.result(origin, step.outputs[0], this.accumulating);
    if (inPlace) this.values.aliasOf(output.value, input.value);
    const name = this.values.get(output.value).name;
    if (isLocal(move)) {
      if (fills(move, this.request.members))
        this.writer.emit({ kind: 'fill', ...base, output, lane: 'compute' }, `${name} filled`);
      this.writer.emit({ kind: 'unpack', ...base, input, output, lane: 'compute' }, name);
      return;
    }
    const { collective } = lowered[0];
    const elements = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0);
    const lane = laneAlong(move.axes);
    let sent = input;
    if (lowered.some((l: LoweredMove) => l.pack !== null)) {
      sent = {
        value: this.map.staging(`${name} packed`, placed.type.dtype, elements(collective!.inputCounts)),
        access: 'write',
      };
      this.writer.emit({ kind: 'pack', ...base, input, output: sent, lane: 'compute' }, `${name} packed`);
      sent = { ...sent, access: 'read' };
    }
    const unpacks = lowered.some((l: LoweredMove) => l.unpack !== null);
    const received: Operand = unpacks
      ? {
          value: this.map.staging(`${name} received`, placed.type.dtype, elements(collective!.outputCounts)),
          access: 'write',
        }
      : output;
    const receivedName = this.values.get(received.value).name;
    const { axes, reduction = null } = move;
    const shape = exchangeShape({ move, axes, output: received }, this.values.table, mesh);
    const scratch = this.workspace(receivedName, this.request.kernels.exchangeBytes(shape));
    this.writer.emit(
      { kind: 'collective', ...base, axes, reduction, input: sent, output: received, scratch, lane },
      receivedName,
    );
    if (unpacks) {
      this.writer.emit(
        { kind: 'unpack', ...base, input: { ...received, access: 'read' }, output, lane: 'compute' },
        name,
      );
    }
  }

  /** A value leaves for another group, or arrives from one: a message for each tile that this class's ranks share with a peer. */
  private lowerTransfer(origin: Origin, step: PlacedTransfer, part: Listed['part']): void {
    const graph = this.map.graph(origin)!;
    const { groups } = this.request;
    const [from, to] = [graph.values[step.inputs[0]], graph.values[step.outputs[0]]];
    const edge: GroupEdge = {
      fromGroup: step.fromGroup,
      toGroup: step.group,
      global: from.type,
      from: from.layout,
      to: to.layout,
    };
    const sends = part === 'send';
    const block: Operand = sends
      ? { value: this.map.index(origin, from.id), access: 'read' }
      : { value: this.map.index(origin, to.id), access: 'write' };
    const messages = this.messages(edge, sends ? 'outgoing' : 'incoming');
    const most = Math.max(...messages.map((list) => list.length));
    for (let message = 0; message < most; message++) {
      const elements = Math.max(...messages.map((list) => list[message]?.elements ?? 0));
      const peers = messages.map((list) => {
        const found = list[message];
        if (!found) return null;
        return sends ? found.toRank + groups[step.group].firstRank : found.fromRank + groups[step.fromGroup].firstRank;
      });
      this.message({ origin, step, part, edge, message, block, elements, peers, dtype: from.type.dtype });
    }
  }

  private message(m: {
    readonly origin: Origin;
    readonly step: PlacedTransfer;
    readonly edge: GroupEdge;
    readonly message: number;
    readonly part: Listed['part'];
    readonly block: Operand;
    readonly elements: number;
    readonly peers: readonly (number | null)[];
    readonly dtype: DType;
  }): void {
    const { edge, message, block, peers } = m;
    const { source } = m.step;
    const name = this.map.graph(m.origin)!.values[m.step.outputs[0]].name;
    // A value may land in several layouts: what lands tells the message.
    const tag: GraphValue = { graph: m.origin, value: m.step.outputs[0] };
    const buffer = this.map.staging(
      `${m.origin} ${name} ${m.part === 'send' ? 'sent' : 'received'} ${message}`,
      m.dtype,
      m.elements,
      this.map.instances(m.origin, m.step.outputs[0]),
    );
    const { name: bufferName } = this.values.get(buffer);
    const { name: blockName } = this.values.get(block.value);
    const base = { edge, message, source };
    if (m.part === 'send') {
      const packed: Operand = { value: buffer, access: 'write' };
      this.writer.emit({ kind: 'pack_tile', ...base, input: block, output: packed, lane: 'compute' }, bufferName);
      const operand: Operand = { value: buffer, access: 'read' };
      this.writer.emit(
        { kind: 'send', ...base, peers, tag, operand, lane: transferLane({ kind: 'send', edge }) },
        `sent ${bufferName}`,
      );
    } else if (m.part === 'receive') {
      const operand: Operand = { value: buffer, access: 'write' };
      this.writer.emit(
        { kind: 'receive', ...base, peers, tag, operand, lane: transferLane({ kind: 'receive', edge }) },
        bufferName,
      );
    } else {
      const received: Operand = { value: buffer, access: 'read' };
      this.writer.emit({ kind: 'unpack_tile', ...base, input: received, output: block, lane: 'compute' }, blockName);
    }
  }

  /** An output of the step that an instruction could not write into its sum directly is added to it. */
  private completeSum(output: PlacedId, step: PlacedStep): void {
    const sum = this.map.sums.get(output);
    if (sum === undefined || this.map.summedDirectly('step', output)) return;
    const value = this.map.index('step', output);
    const { global, layout } = this.values.get(value);
    const { op, rule, attributes } = this.map.copyOf(global);
    // Each axis keeps the role that it has in the value's layout.
    const through = Object.fromEntries(Object.keys(layout.partial).map((axis) => [axis, 0]));
    const assignment = { splits: layout.splits, through };
    const access: Access = this.accumulating ? 'accumulate' : 'write';
    const { source } = step;
    const inputs: readonly Operand[] = [{ value, access: 'read' }];
    this.emitKernel({ op, rule, assignment, attributes, inputs, outputs: [{ value: sum, access }], source });
  }
}
