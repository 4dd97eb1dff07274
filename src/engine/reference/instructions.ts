/**
 * What instructions do to arenas.
 *
 * Reductions of a collective go in the order of the group's ranks and are rounded to the buffer's element type after each addition, so
 * that all members get the same bits; sums within a kernel are taken in f64 and rounded once.
 */
import { originsOf } from '../../ir/rule.js';
import type { Mesh } from '../../ir/mesh.js';
import { rowMajor } from '../../ir/strides.js';
import type { FactorName } from '../../ir/type.js';
import type { ReferenceKernels } from '../../ops/evaluate.js';
import { noteSize, type LaunchForm } from '../../ops/launch.js';
import { roundTo } from '../../ops/round.js';
import type {
  CollectiveInstruction,
  FillInstruction,
  KernelInstruction,
  MoveInstruction,
  Operand,
  Program,
  RankClass,
  ScheduleStep,
  TileInstruction,
} from '../../program/program.js';
import type { Launch } from '../../program/unroll.js';
import { collect, filled, packed, unpackedOver } from '../../reshard/execute.js';
import type { LoweredMove } from '../../reshard/lower.js';
import { copyRegions } from '../../reshard/region.js';
import type { VirtualRank } from './virtual_rank.js';

/** Bytes of workspace that an instruction writes over. */
export type Workspaces = (
  instruction: KernelInstruction | CollectiveInstruction,
  values: RankClass['values'],
  mesh: Mesh,
) => number;

export function runKernel(
  rank: VirtualRank,
  instruction: KernelInstruction,
  { step, index }: Launch,
  kernels: ReferenceKernels,
  workspaces: Workspaces = () => 0,
): void {
  const { inputs, outputs } = instruction;
  const spoil = () => spoilWorkspace(rank, instruction, step, workspaces);
  spoil();
  const form = rank.form(index, () => kernelForm(rank, instruction, step));
  const results = kernels({ ...form, inputs: inputs.map(({ value }) => rank.arena.read(rank.view(value, step))) });
  outputs.forEach((output, i) => store(rank, output, step, results[i]));
  spoil();
}

function kernelForm(rank: VirtualRank, instruction: KernelInstruction, step: ScheduleStep): LaunchForm {
  const { op, rule, assignment, attributes, inputs, outputs } = instruction;
  const views = [...inputs, ...outputs].map(({ value }) => rank.view(value, step));
  const sizes: Record<FactorName, number> = {};
  [...rule.operands, ...rule.results].forEach((names, i) =>
    names.forEach((name, k) => noteSize(op, sizes, name, views[i].sizes[k])),
  );
  return {
    op,
    rule,
    attributes,
    sizes,
    origins: originsOf(rule, assignment, rank.mesh, rank.at),
    operandTypes: views.slice(0, inputs.length).map((view) => view.dtype),
    resultTypes: views.slice(inputs.length).map((view) => view.dtype),
  };
}

/** An instruction may write there at any time: before it reads an operand, after it has written a result. */
function spoilWorkspace(
  rank: VirtualRank,
  instruction: KernelInstruction | CollectiveInstruction,
  step: ScheduleStep,
  workspaces: Workspaces,
): void {
  const { scratch } = instruction;
  const bytes = workspaces(instruction, rank.rankClass.values, rank.mesh);
  if (bytes === 0) return;
  if (scratch === null) throw new RangeError(`it needs ${bytes} bytes of workspace and has none`);
  const { offset } = rank.view(scratch, step);
  const memory = rank.arena.bytes;
  if (offset + bytes > memory.length) throw new RangeError(`its workspace of ${bytes} bytes reaches beyond the arena`);
  memory.fill(0xff, offset, offset + bytes);
}

/** Neutral elements where a move brings none; nothing on a rank that gets all of the block. */
export function runFill(rank: VirtualRank, { move, global, output }: FillInstruction, step: ScheduleStep): void {
  const lowered = rank.lowered(move, global);
  if (lowered.fill !== null) store(rank, output, step, filled(lowered));
}

/** A pack before a collective, an unpack after one, or a local move. */
export function runMove(rank: VirtualRank, instruction: MoveInstruction, step: ScheduleStep): void {
  const lowered = rank.lowered(instruction.move, instruction.global);
  const { kind, input, output } = instruction;
  const block = rank.arena.read(rank.view(input.value, step));
  if (kind === 'pack') return store(rank, output, step, packed(lowered, block));
  // What a fill has put there stays where nothing is unpacked.
  const there = lowered.fill === null ? filled(lowered) : rank.arena.read(rank.view(output.value, step));
  store(rank, output, step, unpackedOver(lowered, block, there));
}

/** A tile of a block, put into a send buffer or taken out of a receive buffer; nothing where this rank has no such message. */
export function runTile(
  rank: VirtualRank,
  groups: Program['groups'],
  { kind, edge, message, input, output }: TileInstruction,
  step: ScheduleStep,
): void {
  const packs = kind === 'pack_tile';
  const transfer = rank.messages(groups, edge)[message];
  if (!transfer) return;
  const { region } = transfer;
  const buffer = { offset: 0, strides: rowMajor(region.sizes) };
  const from = rank.arena.read(rank.view(input.value, step));
  const to = packs ? new Float64Array(transfer.elements) : rank.arena.read(rank.view(output.value, step));
  copyRegions([packs ? { ...region, to: buffer } : { ...region, from: buffer }], from, to);
  store(rank, output, step, to);
}

/** A collective that all members have reached: `members` in the order of the group, each with its own instruction. */
export function runCollective(
  members: readonly { readonly rank: VirtualRank; readonly launch: Launch }[],
  group: readonly number[],
  workspaces: Workspaces = () => 0,
): void {
  const spoil = () => {
    for (const { rank, launch } of members)
      spoilWorkspace(rank, launch.instruction as CollectiveInstruction, launch.step, workspaces);
  };
  spoil();
  const sent: Float64Array[] = [];
  const lowered = new Map<number, LoweredMove>();
  members.forEach(({ rank, launch }, i) => {
    const { move, global, input } = launch.instruction as CollectiveInstruction;
    lowered.set(group[i], rank.lowered(move, global));
    sent[group[i]] = rank.arena.read(rank.view(input.value, launch.step));
  });
  // Everything is read before anything is written: an input may lie where an output does.
  const received = members.map(({ rank, launch }, i) => {
    const { output } = launch.instruction as CollectiveInstruction;
    const { dtype } = rank.rankClass.values[output.value].type;
    const { collective } = lowered.get(group[i])!;
    return collect(
      collective!,
      group[i],
      sent,
      (other) => lowered.get(other)!.collective!,
      (x) => roundOne(dtype, x),
    );
  });
  members.forEach(({ rank, launch }, i) =>
    store(rank, (launch.instruction as CollectiveInstruction).output, launch.step, received[i]),
  );
  spoil();
}

/** Writes a result, or adds it to what is there in the buffer's element type. */
export function store(rank: VirtualRank, { value, access }: Operand, step: ScheduleStep, values: Float64Array): void {
  const view = rank.view(value, step);
  if (access === 'accumulate') rank.arena.accumulate(view, values);
  else rank.arena.write(view, values);
}

function roundOne(dtype: Parameters<typeof roundTo>[0], x: number): number {
  one[0] = x;
  return roundTo(dtype, one)[0];
}

const one = new Float64Array(1);
