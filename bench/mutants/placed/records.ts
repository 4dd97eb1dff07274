/**
 * Wrong records of buckets: what a host would write and read elsewhere than the graphs have it. Of a tied weight each group that stores it has
 * a record.
 */
import type { Bucket } from '../../../src/partition/buckets.js';
import type { PackedTensor } from '../../../src/partition/packing.js';
import type { PlacedGraph, PlacedStep } from '../../../src/partition/placed.js';
import type { PlacedGraphs } from '../../../src/partition/place_graphs.js';
import type { Random } from '../random.js';

/** Changes one thing in the records, and in the graphs what follows from it; null where there is none. */
export type RecordMutation = (placed: PlacedGraphs, random: Random) => PlacedGraphs | null;

type Members = Bucket['members'];

export const recordFaults: Readonly<Record<string, RecordMutation>> = {
  /** Two members in each other's place: in one record, in it and in what its group packs and unpacks, or in all. */
  reorder_record: (placed, random) => {
    const record = pickRecord(placed, ({ members }) => members.length > 1, random);
    if (!record) return null;
    const k = random.int(record.members.length - 1);
    const swap = <T>(list: readonly T[]) => list.map((one, i) => (i === k ? list[k + 1] : i === k + 1 ? list[k] : one));
    const reach = random.pick(['record', 'group', 'all'] as const);
    const records = withMembers(placed, swap, reach === 'all' ? (one) => one.name === record.name : isSame(record));
    if (reach === 'record') return records;
    const names = namesOf(record.members);
    const isMeant = (step: PlacedStep) =>
      (step.kind === 'pack' || step.kind === 'unpack') &&
      namesOf(step.members) === names &&
      (reach === 'all' || step.group === record.group);
    const turned = (graph: PlacedGraph): PlacedGraph => ({
      ...graph,
      steps: graph.steps.map((step) => {
        if ((step.kind !== 'pack' && step.kind !== 'unpack') || !isMeant(step)) return step;
        const members = swap(step.members);
        return step.kind === 'pack'
          ? { ...step, members, inputs: swap(step.inputs) }
          : { ...step, members, outputs: swap(step.outputs) };
      }),
    });
    return { ...records, step: turned(records.step), update: records.update && turned(records.update) };
  },
  /** A tensor counts as padding, or the padding as a tensor. */
  mistake_padding: (placed, random) => {
    const record = pickRecord(placed, () => true, random);
    if (!record) return null;
    const k = random.int(record.members.length);
    const flipped = ({ isPadding, ...tensor }: PackedTensor): PackedTensor =>
      isPadding ? tensor : { ...tensor, isPadding: true };
    const change = (members: Members) => members.map((one, i) => (i === k ? flipped(one) : one));
    return withMembers(placed, change, random.chance(0.5) ? isSame(record) : (one) => one.name === record.name);
  },
  /** Two records of equal members but for the names have each other's. */
  exchange_names: (placed, random) => {
    const text = ({ members, group }: Bucket) =>
      JSON.stringify([group, members.map(({ type, layout, isPadding }) => [type, layout, isPadding])]);
    const record = pickRecord(
      placed,
      (one) => placed.buckets.some((two) => one !== two && text(one) === text(two)),
      random,
    );
    if (!record) return null;
    const other = placed.buckets.find((one) => one !== record && text(one) === text(record))!;
    const named = (of: Bucket) => (members: Members) => members.map((one, k) => ({ ...one, name: of.members[k].name }));
    return withMembers(withMembers(placed, named(other), isSame(record)), named(record), isSame(other));
  },
  /** A member is said to be packed in blocks that it has not, or whole. */
  pack_otherwise: (placed, random) => {
    const record = pickRecord(placed, ({ members }) => members.some(({ type }) => type.dims.length > 0), random);
    if (!record) return null;
    const axes = placed.step.meshes[record.group].axes.map(({ name }) => name);
    const axis = random.pick(axes);
    const change = (members: Members) =>
      members.map((member) => {
        const isSplit = Object.keys(member.layout.splits).length > 0;
        const [factor] = member.type.dims.flat().slice(-1);
        return { ...member, layout: { splits: isSplit ? {} : { [factor.name]: { axes: [axis] } }, partial: {} } };
      });
    return withMembers(placed, change, isSame(record));
  },
};

const namesOf = (members: Members): string => members.map(({ name }) => name).join();

const isSame = (record: Bucket) => (one: Bucket) => one.name === record.name && one.group === record.group;

function pickRecord({ buckets }: PlacedGraphs, fits: (record: Bucket) => boolean, random: Random): Bucket | null {
  const able = buckets.filter(fits);
  return able.length > 0 ? random.pick(able) : null;
}

const withMembers = (
  placed: PlacedGraphs,
  change: (members: Members) => Members,
  fits: (record: Bucket) => boolean,
): PlacedGraphs => ({
  ...placed,
  buckets: placed.buckets.map((one) => (fits(one) ? { ...one, members: change(one.members) } : one)),
});
