/** One rank's program as the addon reads it: the class's launch list with this rank's addresses, peers, origins and kernels. */
import { dtypeBytes, type DType } from '../../ir/dtype.js';
import { originsOf } from '../../ir/rule.js';
import { coordinatesOf, type AxisName, type Coordinates, type Mesh } from '../../ir/mesh.js';
import type { OpRegistry } from '../../ir/op.js';
import { rowMajor } from '../../ir/strides.js';
import { bytesOf, sizesOf } from '../../ir/type.js';
import type { DeviceType } from '../../kernels/device.js';
import { nativeLaunches } from '../../kernels/native.js';
import { readsOf, type Block, type KernelLaunchSpec, type KernelSite } from '../../kernels/site.js';
import type {
  CollectiveInstruction,
  FillInstruction,
  EventName,
  Instruction,
  KernelInstruction,
  MoveInstruction,
  Program,
  RankClass,
  ScheduleStep,
  Group,
  TileInstruction,
  TransferInstruction,
  ValueIndex,
} from '../../program/program.js';
import { messagesOf } from '../../program/edges.js';
import { placeOf } from '../../program/place.js';
import { eventOf, unroll, type Launch } from '../../program/unroll.js';
import { lowerMove } from '../../reshard/lower.js';
import type { CopyRegion } from '../../reshard/region.js';
import { kernelElsewhere } from './diagnostics.js';
import type {
  CopyLaunch,
  KernelLaunch,
  NativeLaunch,
  LaunchList,
  LoadedScratch,
  LoadedView,
} from './loaded_program.js';

/** The class that a global rank belongs to, and the rank's place in it. */
export interface RankPlace {
  readonly rankClass: RankClass;
  readonly at: Coordinates;
  readonly mesh: Mesh;
  readonly firstRank: number;
  /** Position among the members of the class. */
  readonly member: number;
}

export function placeOfRank(program: Program, rank: number): RankPlace {
  const group = program.groups.findLastIndex(({ firstRank }) => firstRank <= rank);
  const { mesh, firstRank } = program.groups[group];
  const at = coordinatesOf(mesh, rank - firstRank);
  for (const rankClass of program.classes) {
    if (rankClass.group !== group) continue;
    const member = rankClass.members.findIndex((other) => mesh.axes.every(({ name }) => other[name] === at[name]));
    if (member >= 0) return { rankClass, at, mesh, firstRank, member };
  }
  throw new Error(`rank ${rank} belongs to no class of the program`);
}

/** Where a value's block lies during a step of the schedule. */
export function viewOf(rankClass: RankClass, value: ValueIndex, step: Pick<ScheduleStep, 'offsets'>): LoadedView {
  const { type } = rankClass.values[value];
  const { base, offset, strides } = placeOf(rankClass.values, value);
  return { offset: step.offsets[base] + offset, dtype: type.dtype, sizes: sizesOf(type), strides };
}

export const loadClass = (registry: OpRegistry, program: Program, rank: number, device: DeviceType): LaunchList =>
  loadWithOrigins(registry, program, rank, device).loaded;

/** What a kernel or copy of the rank's list comes from. */
export interface LaunchOrigin {
  readonly launch: Launch;
  /** The value that each operand is a view of, and the view; how many of them, from the first, are read. */
  readonly values: readonly ValueIndex[];
  readonly views: readonly LoadedView[];
  readonly reads: number;
}

/** A rank's program, and where its kernels and copies come from, by their places in the launch list. */
export function loadWithOrigins(
  registry: OpRegistry,
  program: Program,
  rank: number,
  device: DeviceType,
): {
  readonly loaded: LaunchList;
  readonly origins: ReadonlyMap<number, LaunchOrigin>;
  /** For each launch of the list, that of the program that it is, or a part of. */
  readonly sources: readonly Launch[];
} {
  const loader = new Loader(registry, program, rank, device);
  return { loaded: loader.run(), origins: loader.origins, sources: loader.sources };
}

class Loader {
  private readonly registry: OpRegistry;
  private readonly device: DeviceType;
  private readonly place: RankPlace;
  private readonly groups: readonly Group[];
  private readonly communicators = new Map<string, { id: number; ranks: readonly number[] }>();
  private readonly events = new Map<EventName, number>();
  private readonly launches: NativeLaunch[] = [];
  readonly sources: Launch[] = [];
  readonly origins = new Map<number, LaunchOrigin>();
  private current!: Launch;
  /** The communication launched last: the next signal on its lane is its event. */
  private open: { lane: string; launch: number } | null = null;

  constructor(registry: OpRegistry, program: Program, rank: number, device: DeviceType) {
    this.registry = registry;
    this.device = device;
    this.place = placeOfRank(program, rank);
    this.groups = program.groups;
  }

  run(): LaunchList {
    for (const launch of unroll(this.place.rankClass)) {
      this.current = launch;
      this.load(launch.instruction);
      while (this.sources.length < this.launches.length) this.sources.push(launch);
    }
    return { groups: [...this.communicators.values()], launches: this.launches };
  }

  private load(instruction: Instruction): void {
    switch (instruction.kind) {
      case 'kernel':
        return this.kernel(instruction);
      case 'pack':
      case 'unpack':
        return this.copies(instruction);
      case 'fill':
        return this.fill(instruction);
      case 'collective':
        return this.collective(instruction);
      case 'pack_tile':
      case 'unpack_tile':
        return this.tile(instruction);
      case 'send':
      case 'receive':
        return this.transfer(instruction);
      case 'signal':
        // The executor launches in list order, so compute's signals need nothing; a communication's signal names its event.
        if (this.open?.lane === instruction.lane) this.nameEvent(eventOf(instruction, this.current.step));
        return;
      case 'wait':
        if (instruction.lane === 'compute')
          this.launches.push({
            kind: 'wait',
            event: this.event(eventOf(instruction, this.current.step)),
            at: at(instruction),
          });
        return;
      default:
        instruction satisfies never;
    }
  }

  private kernel(instruction: KernelInstruction): void {
    const { rule, assignment, inputs, outputs } = instruction;
    const views = { input: inputs.map((o) => this.view(o.value)), output: outputs.map((o) => this.view(o.value)) };
    const block = ({ dtype, sizes, strides }: LoadedView): Block => ({ dtype: dtype as DType, sizes, strides });
    const site: KernelSite = {
      op: instruction.op,
      rule,
      attributes: instruction.attributes,
      inputs: views.input.map(block),
      outputs: views.output.map(block),
      accumulates: outputs.map((o) => o.access === 'accumulate'),
      sameInputs: inputs.every((o) => o.value === inputs[0].value),
      origins: originsOf(rule, assignment, this.place.mesh, this.place.at),
    };
    const scratch = instruction.scratch === null ? null : this.view(instruction.scratch);
    for (const spec of this.launchesOf(instruction, site)) {
      const values = spec.operands.map(({ of }) =>
        'input' in of ? inputs[of.input].value : 'output' in of ? outputs[of.output].value : instruction.scratch!,
      );
      this.compute(values, {
        kind: 'kernel',
        kernel: spec.kernel,
        operands: spec.operands.map((operand) => resolve(operand, views, scratch)),
        reads: readsOf(spec.operands),
        scratch:
          spec.scratchBytes > 0 ? { offset: scratch!.offset + spec.stagedBytes, bytes: spec.scratchBytes } : null,
        attributes: spec.attributes,
        at: at(instruction),
      });
    }
  }

  /** What the instruction's kernel launches: it was chosen when the program was made. */
  private launchesOf({ op, kernel }: KernelInstruction, site: KernelSite): readonly KernelLaunchSpec[] {
    const { device, id } = kernel;
    const launches = device === this.device ? nativeLaunches(this.registry, site, { device, id }) : null;
    if (!launches) throw kernelElsewhere({ op, kernel: `${id} on ${device}`, device: this.device });
    return launches;
  }

  private fill(instruction: FillInstruction): void {
    const { move, global, output } = instruction;
    const { fill } = lowerMove(this.place.mesh, global, move, this.place.at);
    if (fill === null) return;
    this.compute([output.value], {
      kind: 'kernel',
      kernel: 'fill',
      operands: [this.view(output.value)],
      reads: 0,
      scratch: null,
      attributes: { value: fill },
      at: at(instruction),
    });
  }

  private copies({ kind, move, global, input, output, ...rest }: MoveInstruction): void {
    const { mesh, at: coordinates } = this.place;
    const lowered = lowerMove(mesh, global, move, coordinates);
    const [from, to] = [this.view(input.value), this.view(output.value)];
    const regions = kind === 'pack' ? lowered.pack : lowered.unpack;
    const whole: CopyRegion = {
      sizes: [elements(from)],
      from: { offset: 0, strides: [1] },
      to: { offset: 0, strides: [1] },
    };
    for (const region of regions ?? [whole]) {
      if (region.sizes.includes(0)) continue;
      const side = (view: LoadedView, part: CopyRegion['from']): LoadedView => ({
        offset: view.offset + part.offset * dtypeBytes[view.dtype],
        dtype: view.dtype,
        sizes: region.sizes,
        strides: part.strides,
      });
      this.compute([input.value, output.value], {
        kind: 'copy',
        from: side(from, region.from),
        to: side(to, region.to),
        at: at(rest),
      });
    }
  }

  private tile({ kind, edge, message, input, output, ...rest }: TileInstruction): void {
    const packs = kind === 'pack_tile';
    const transfer = messagesOf(this.groups, edge, packs ? 'outgoing' : 'incoming')(this.place.at)[message];
    if (!transfer) return;
    const [from, to] = [this.view(input.value), this.view(output.value)];
    const { sizes } = transfer.region;
    const side = (view: LoadedView, part: CopyRegion['from'] | null): LoadedView => ({
      offset: view.offset + (part?.offset ?? 0) * dtypeBytes[view.dtype],
      dtype: view.dtype,
      sizes,
      strides: part?.strides ?? rowMajor(sizes),
    });
    this.compute([input.value, output.value], {
      kind: 'copy',
      from: side(from, packs ? transfer.region.from : null),
      to: side(to, packs ? null : transfer.region.to),
      at: at(rest),
    });
  }

  private collective(instruction: CollectiveInstruction): void {
    const { mesh, at: coordinates, firstRank } = this.place;
    const { collective } = lowerMove(mesh, instruction.global, instruction.move, coordinates);
    if (!collective) throw new Error(`${instruction.move.kind} has no collective`);
    const ranks = collective.group.map((rank) => rank + firstRank);
    const base = {
      kind: 'collective' as const,
      collective: collective.kind,
      group: this.communicator(instruction.axes, ranks),
      reduction: instruction.reduction,
      input: flat(this.view(instruction.input.value)),
      output: flat(this.view(instruction.output.value)),
      scratch: this.workspace(instruction.scratch),
      event: -1,
      at: at(instruction),
    };
    if (collective.kind === 'permute') {
      const member = (rank: number) => collective.group.indexOf(rank);
      this.communicate(instruction, {
        ...base,
        peers: { to: member(collective.sendTo), from: member(collective.receiveFrom) },
      });
    } else {
      const { inputCounts, outputCounts } = collective;
      const counts = collective.kind === 'all_reduce' ? {} : { inputCounts, outputCounts };
      this.communicate(instruction, { ...base, ...counts });
    }
  }

  private transfer(instruction: TransferInstruction): void {
    const peer = instruction.peers[this.place.member];
    if (peer === null) return;
    this.communicate(instruction, {
      kind: instruction.kind === 'send' ? 'send' : 'recv',
      peer,
      lane: instruction.kind === 'send' ? instruction.edge.toGroup : instruction.edge.fromGroup,
      tag: tagNumber(instruction.tag),
      view: flat(this.view(instruction.operand.value)),
      event: -1,
      at: at(instruction),
    });
  }

  private compute(values: readonly ValueIndex[], launch: KernelLaunch | CopyLaunch): void {
    const reads = launch.kind === 'kernel' ? launch.reads : 1;
    const views = launch.kind === 'kernel' ? launch.operands : [launch.from, launch.to];
    this.origins.set(this.launches.length, { launch: this.current, values, views, reads });
    this.launches.push(launch);
  }

  private communicate(instruction: Instruction, launch: NativeLaunch): void {
    this.open = { lane: instruction.lane, launch: this.launches.push(launch) - 1 };
  }

  private nameEvent(event: EventName): void {
    const { launch } = this.open!;
    this.launches[launch] = { ...this.launches[launch], event: this.event(event) } as NativeLaunch;
    this.open = null;
  }

  private event(name: EventName): number {
    const known = this.events.get(name);
    if (known !== undefined) return known;
    this.events.set(name, this.events.size);
    return this.events.size - 1;
  }

  private communicator(axes: readonly AxisName[], ranks: readonly number[]): number {
    const key = [...axes].sort().join('*');
    const known = this.communicators.get(key);
    if (known) return known.id;
    const made = { id: this.communicators.size, ranks };
    this.communicators.set(key, made);
    return made.id;
  }

  private workspace(scratch: ValueIndex | null): LoadedScratch | null {
    if (scratch === null) return null;
    return { offset: this.view(scratch).offset, bytes: bytesOf(this.place.rankClass.values[scratch].type) };
  }

  private view(value: ValueIndex): LoadedView {
    return viewOf(this.place.rankClass, value, this.current.step);
  }
}

function resolve(
  { of, sizes, strides, offset = 0 }: KernelLaunchSpec['operands'][number],
  views: { readonly input: readonly LoadedView[]; readonly output: readonly LoadedView[] },
  scratch: LoadedView | null,
): LoadedView {
  const view =
    'input' in of
      ? views.input[of.input]
      : 'output' in of
        ? views.output[of.output]
        : { offset: scratch!.offset + of.staged, dtype: of.dtype };
  return { offset: view.offset + offset * dtypeBytes[view.dtype], dtype: view.dtype, sizes, strides };
}

const elements = (view: LoadedView): number => view.sizes.reduce((a, b) => a * b, 1);

/** A tag as the number that both ends give it. */
const tagNumber = ({ graph, value }: TransferInstruction['tag']): number => 2 * value + (graph === 'update' ? 1 : 0);

/** A contiguous block as one dimension. */
const flat = (view: LoadedView): LoadedView => ({ ...view, sizes: [elements(view)], strides: [1] });

const at = ({ source }: { readonly source: Instruction['source'] }): string => `${source.path} (${source.phase})`;
