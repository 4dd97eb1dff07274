/** Where a step's first value that is not finite comes from, as far as one rank can tell. */
import { dtypeBytes, isFloat } from '../../ir/dtype.js';
import type { OpRegistry } from '../../ir/op.js';
import type { DeviceType } from '../../kernels/device.js';
import type { Program } from '../../program/program.js';
import { baseOf } from '../../program/place.js';
import { operandsOf } from '../../program/kinds.js';
import { unroll, type Launch } from '../../program/unroll.js';
import type { NonFinite } from '../engine.js';
import { decode, hostArray, type HostArray } from '../host_array.js';
import { nameOfElements } from '../element_names.js';
import { dataflowOrder, earliest, nonFiniteIn, nonFiniteWithin, placeOf } from '../non_finite.js';
import type { AddonEngine as Addon } from './bridge.js';
import { loadWithOrigins, placeOfRank, viewOf, type RankPlace } from './load_class.js';
import type { LoadedView } from './loaded_program.js';

export interface RankOfProgram {
  readonly registry: OpRegistry;
  readonly program: Program;
  /** Global rank. */
  readonly rank: number;
  readonly device: DeviceType;
}

/**
 * Runs a step again, watched. All ranks of the job do so together, and each to its end, whatever it finds: what came first of all is
 * the least by {@link NonFinite.order}. Inputs must have been written again.
 */
export async function firstNonFinite(
  addon: Addon,
  { registry, program, rank, device }: RankOfProgram,
): Promise<NonFinite | null> {
  const place = placeOfRank(program, rank);
  const given = await firstGiven(addon, place, rank);
  const { loaded, origins } = loadWithOrigins(registry, program, rank, device);
  const { nonFinite } = await (await addon.load(loaded, { watch: true })).run();
  if (!nonFinite) return given;
  const { launch, values, views, reads } = origins.get(nonFinite.launch)!;
  const { kind, operand, elements } = nonFinite;
  const value = values[operand];
  const has = within(elements, views[operand], viewOf(place.rankClass, value, launch.step));
  // What is read and was not made here has come from another rank.
  const found = describe(rank, launch, {
    what: `${kind} in ${nameOfElements(place, value, has)}`,
    given: false,
    received: operand < reads,
  });
  return earliest(given ? [given, found] : [found]);
}

/** What the host gave is looked at before the step: parameters, state, scalars. Their place is the first instruction that reads them. */
async function firstGiven(addon: Addon, place: RankPlace, rank: number): Promise<NonFinite | null> {
  const { rankClass } = place;
  const { values, before, schedule } = rankClass;
  const found: NonFinite[] = [];
  for (const { at } of before.values) {
    const { type } = values[at];
    const step = schedule.find(({ offsets }) => offsets[baseOf(values, at)] !== undefined);
    if (!step || !isFloat(type.dtype)) continue;
    const view = viewOf(rankClass, at, step);
    const elements = await read(addon, view);
    const index = nonFiniteIn(view.dtype, elements);
    if (index < 0) continue;
    const address = view.offset + index * dtypeBytes[view.dtype];
    const reader = firstReader(place, address);
    if (!reader) continue;
    const kind = Number.isNaN(decode(view.dtype, elements.subarray(index, index + 1))[0]) ? 'NaN' : 'Infinity';
    const name = nameOfElements(place, at, nonFiniteWithin(view.dtype, elements));
    const what = `${kind} in ${name}, which was given to the step`;
    found.push(describe(rank, reader, { what, given: true, received: false }));
  }
  return earliest(found);
}

function firstReader({ rankClass }: RankPlace, address: number): Launch | null {
  for (const launch of unroll(rankClass)) {
    for (const { value, access } of operandsOf(launch.instruction)) {
      if (access !== 'read') continue;
      const view = viewOf(rankClass, value, launch.step);
      if (address >= view.offset && address < view.offset + extentOf(view) * dtypeBytes[view.dtype]) return launch;
    }
  }
  return null;
}

function describe(
  rank: number,
  { instruction, template, step, index }: Launch,
  { what, given, received }: Pick<NonFinite, 'what' | 'given'> & { readonly received: boolean },
): NonFinite {
  const { phase } = instruction.source;
  const order = dataflowOrder({
    received,
    phase,
    microbatch: step.microbatch,
    chunk: template.chunk,
    position: index,
    rank,
  });
  return { rank, at: placeOf(instruction), what, given, order };
}

async function read(addon: Addon, view: LoadedView): Promise<HostArray> {
  const array = hostArray(view.dtype, extentOf(view));
  if (array.length > 0) await addon.read(view.offset, new Uint8Array(array.buffer));
  return array;
}

/**
 * Whether a run of a contiguous block has elements that are marked in a view of it: `marks` holds one number for each of the view's, row-major,
 * which is not zero where it is.
 */
function within(marks: Uint8Array, view: LoadedView, block: LoadedView): (from: number, to: number) => boolean {
  const first = (view.offset - block.offset) / dtypeBytes[block.dtype];
  const marked: number[] = [];
  marks.forEach((mark, element) => {
    if (mark === 0) return;
    let [at, rest] = [first, element];
    for (let i = view.sizes.length - 1; i >= 0; i--) {
      at += (rest % view.sizes[i]) * view.strides[i];
      rest = Math.floor(rest / view.sizes[i]);
    }
    marked.push(at);
  });
  return (from, to) => marked.some((at) => from <= at && at < to);
}

/** Elements from a view's first to its last. */
const extentOf = ({ sizes, strides }: LoadedView): number =>
  sizes.includes(0) ? 0 : 1 + sizes.reduce((sum, size, i) => sum + (size - 1) * strides[i], 0);
