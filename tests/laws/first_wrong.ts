/**
 * The instruction that makes the first wrong value of a program: each value that its ranks write is put together by its layout, as soon as the
 * last of them has it, and held against what one device has.
 */
import { describeRankLaunch } from '../../src/engine/reference/describe.js';
import type { VirtualRank } from '../../src/engine/reference/virtual_rank.js';
import { localType } from '../../src/ir/layout.js';
import { coordinatesOf, meshRanks } from '../../src/ir/mesh.js';
import { roleKey, roleWith } from '../../src/ir/role.js';
import type { TensorType } from '../../src/ir/type.js';
import type { PlacedGraphs } from '../../src/partition/place_graphs.js';
import { makersOf, type PlacedGraph, type PlacedId } from '../../src/partition/placed.js';
import { operandsOf } from '../../src/program/kinds.js';
import type { ProgramValue } from '../../src/program/program.js';
import type { Launch } from '../../src/program/unroll.js';
import { printElement, shard, unshard } from '../../src/reshard/index.js';
import { runPlacedStep } from '../scenarios/placed_scenario.js';
import type { Scenario } from '../scenarios/scenario.js';
import { ratioText } from './ratio.js';

/** What the ranks of a group have of one value: their blocks, and the microbatches that each holds the sum of. */
interface Written {
  readonly blocks: Float64Array[];
  readonly of: number[][];
  /** What wrote each of the blocks. */
  readonly by: [VirtualRank, Launch][];
}

/**
 * In words: the instruction with its rank, the element that differs first, and its ratio; null where all values are right that the ranks
 * write. `meaning`: the placed graphs that the program should be of.
 */
export function firstWrong(scenario: Scenario, meaning: PlacedGraphs = scenario.placed): string | null {
  const runs = runPlacedStep({ plan: scenario.plan, placed: meaning, inputs: scenario.inputs });
  const steps = meaning.update ? runs.slice(0, -1) : runs;
  const sums = sumsOf(meaning.step);
  const written = new Map<string, Written>();
  let found: string | null = null;

  /** What one device has of a value that is written, of each microbatch; null where the graphs have no such value. */
  const serialOf = ({ group }: VirtualRank, { is }: ProgramValue, of: readonly number[]): Float64Array | null => {
    if (is.kind === 'made' && is.graph === 'update') return runs[runs.length - 1].serial[is.value] ?? null;
    const id = is.kind === 'made' ? is.value : is.kind === 'sum' ? sums.get(`${group} ${roleKey(is.role)}`) : undefined;
    const parts = of.map((microbatch) => (id === undefined ? undefined : steps[microbatch]?.serial[id]));
    if (parts.some((part) => part === undefined)) return null;
    return (parts as Float64Array[]).reduce((a, b) => a.map((x, i) => x + b[i]));
  };

  const observe = (rank: VirtualRank, launch: Launch) => {
    const { microbatch } = launch.step;
    for (const { value: index, access } of operandsOf(launch.instruction)) {
      const value = rank.rankClass.values[index];
      const { is } = value;
      if (found !== null || access === 'read' || (is.kind !== 'made' && is.kind !== 'sum')) continue;
      const key = `${rank.group} ${JSON.stringify(is)} ${is.kind === 'sum' ? '' : microbatch}`;
      const one = written.get(key) ?? { blocks: [], of: [], by: [] };
      written.set(key, one);
      const { blocks, of, by } = one;
      by[rank.meshRank] = [rank, launch];
      of[rank.meshRank] = is.kind === 'sum' ? [...(of[rank.meshRank] ?? []), microbatch] : [microbatch];
      blocks[rank.meshRank] = rank.arena.read(rank.view(index, launch.step));
      const all = Array.from({ length: meshRanks(rank.mesh) }, (_, i) =>
        [...(of[i] ?? [])].sort((a, b) => a - b).join(),
      );
      const serial = all.every((mine) => mine === all[0]) ? serialOf(rank, value, of[rank.meshRank]) : null;
      const wrong = serial && differenceOf(rank, value, blocks, serial);
      if (wrong) found = `${describeRankLaunch(...by[wrong.meshRank ?? rank.meshRank])}\n          ${wrong.text}`;
    }
  };
  scenario.parallel({ observe });
  return found;
}

/** By group and role: the value that a sum over microbatches is of, of a bucket and of what lies in it. */
function sumsOf(step: PlacedGraph): ReadonlyMap<string, PlacedId> {
  const makers = makersOf(step);
  return new Map(
    step.outputs.flatMap(({ role, value }) => {
      const { group } = step.values[value];
      const pack = makers.get(value);
      const members =
        pack?.kind === 'pack'
          ? pack.inputs.map((id, k) => [`${group} ${roleKey(roleWith(role, pack.members[k].name))}`, id] as const)
          : [];
      return [[`${group} ${roleKey(role)}`, value] as const, ...members];
    }),
  );
}

interface Difference {
  /** Whose block differs, of a value that ranks have whole or in blocks; null for a sum of parts. */
  readonly meshRank: number | null;
  readonly text: string;
}

function differenceOf(
  { mesh }: VirtualRank,
  { name, global, layout }: ProgramValue,
  blocks: readonly Float64Array[],
  serial: Float64Array,
): Difference | null {
  const limit = 1e-7 * Math.hypot(...serial.filter(Number.isFinite)) + 1e-12;
  const place = (expected: Float64Array, actual: Float64Array) =>
    expected.findIndex((x, i) => !Object.is(x, actual[i]) && !(Math.abs(x - actual[i]) <= limit));
  const tell = (meshRank: number | null, type: TensorType, at: number, one: number, other: number): Difference => ({
    meshRank,
    text: `'${name}'${printElement(type, at)}  serial ${one}  parallel ${other}  (${ratioText(one, other)})`,
  });
  if (Object.keys(layout.partial).length > 0) {
    try {
      const whole = unshard(mesh, global, layout, blocks);
      const at = place(serial, whole);
      return at < 0 ? null : tell(null, global, at, serial[at], whole[at]);
    } catch (error) {
      return { meshRank: null, text: `'${name}': ${(error as Error).message.split('\n')[0]}` };
    }
  }
  const expected = shard(mesh, global, layout, serial);
  const meshRank = blocks.findIndex((block, i) => place(expected[i], block) >= 0);
  if (meshRank < 0) return null;
  const at = place(expected[meshRank], blocks[meshRank]);
  const own = localType(mesh, global, layout, coordinatesOf(mesh, meshRank));
  return tell(meshRank, own, at, expected[meshRank][at], blocks[meshRank][at]);
}
