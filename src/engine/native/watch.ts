/** Watching a step natively: what each instruction writes is copied aside, behind the arena of the program, before anything writes over it. */
import { dtypeBytes, type DType } from '../../ir/dtype.js';
import { rowMajor } from '../../ir/strides.js';
import { product } from '../../ir/type.js';
import type { ValueIndex } from '../../program/program.js';
import type { Launch } from '../../program/unroll.js';
import { decode, hostArray } from '../host_array.js';
import { valuesWritten, type Watcher } from '../written.js';
import type { AddonEngine as Addon } from './bridge.js';
import { loadWithOrigins, placeOfRank, viewOf, type RankPlace } from './load_class.js';
import type { LaunchList, LoadedView, NativeLaunch } from './loaded_program.js';
import type { RankOfProgram } from './non_finite.js';

/** A block that is kept. */
interface Kept {
  readonly launch: Launch;
  readonly value: ValueIndex;
  readonly view: LoadedView;
}

/** A communication; its event is −1 where nothing waits for it by itself. */
interface UnderWay {
  readonly event: number;
  readonly launch: Launch;
}

interface KeepingProgram {
  readonly launches: LaunchList;
  readonly kept: readonly Kept[];
  /** The first byte behind all that is kept. */
  readonly end: number;
}

/** Bytes of the arena that a rank's program needs to be watched in. */
export const watchedArenaBytes = (of: RankOfProgram): number => keeping(of).end;

/** Runs a step, and shows what was kept of it. Throws `engine/…`. */
export async function watch(addon: Addon, of: RankOfProgram, see: Watcher): Promise<void> {
  const { launches, kept } = keeping(of);
  await (await addon.load(launches)).run();
  for (const { launch, value, view } of kept) {
    const dtype = view.dtype as DType;
    const array = hostArray(dtype, product(view.sizes));
    if (array.length > 0) await addon.read(view.offset, new Uint8Array(array.buffer));
    see({ rank: of.rank, launch, value, block: decode(dtype, array) });
  }
}

const alignment = 64;

function keeping({ registry, program, rank, device }: RankOfProgram): KeepingProgram {
  const place = placeOfRank(program, rank);
  const { loaded, sources } = loadWithOrigins(registry, program, rank, device);
  const launches: NativeLaunch[] = [];
  const kept: Kept[] = [];
  let end = place.rankClass.arenaBytes;
  const keep = (launch: Launch) => {
    for (const { value, from, view } of viewsWritten(place, launch, () => end)) {
      end = view.offset + product(view.sizes) * dtypeBytes[view.dtype];
      kept.push({ launch, value, view });
      if (!view.sizes.includes(0)) launches.push({ kind: 'copy', from, to: view, at: 'watched' });
    }
  };
  /** Communications that are under way: what they bring is there once their event has been waited for, or a later one of their lane. */
  let underWay: readonly UnderWay[] = [];
  const land = (event: number) => {
    const last = underWay.findIndex((one) => one.event === event);
    if (last < 0) return;
    const { lane } = underWay[last].launch.instruction;
    const landed = underWay.filter(({ launch }, k) => k <= last && launch.instruction.lane === lane);
    for (const { launch } of landed) keep(launch);
    underWay = underWay.filter((one) => !landed.includes(one));
  };
  for (const [i, native] of loaded.launches.entries()) {
    launches.push(native);
    const source = sources[i];
    if (native.kind === 'collective' || native.kind === 'recv')
      underWay = [...underWay, { event: native.event, launch: source }];
    else if (native.kind === 'wait') land(native.event);
    else if (native.kind !== 'send' && sources[i + 1] !== source) keep(source);
  }
  for (const { event } of underWay) {
    if (event < 0 || !underWay.some((one) => one.event === event)) continue;
    launches.push({ kind: 'wait', event, at: 'watched' });
    land(event);
  }
  return { launches: { ...loaded, launches }, kept, end };
}

function* viewsWritten({ rankClass }: RankPlace, launch: Launch, end: () => number) {
  for (const value of valuesWritten(rankClass, launch)) {
    const from = viewOf(rankClass, value, launch.step);
    const offset = Math.ceil(end() / alignment) * alignment;
    yield { value, from, view: { ...from, offset, strides: rowMajor(from.sizes) } };
  }
}
