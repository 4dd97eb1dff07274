/** Wrong buckets: members at other places or in each other's, what nobody masked, padding that counts and data that does not. */
import { elementsOf } from '../../../src/ir/type.js';
import type { PackedTensor } from '../../../src/partition/packing.js';
import type { Instruction, MoveInstruction, Program, RankClass, ValueIndex } from '../../../src/program/program.js';
import { editBody, editValue, scoped, sitesOf, withValue, writes } from '../edit.js';
import type { Mutations } from '../mutant.js';
import type { Random } from '../random.js';
import { mutant } from './site.js';

export const packed: Mutations = {
  /** A member begins where another one does, the padding among them, or some elements on, alone or with all behind it. */
  member_begins_elsewhere: (program, random) => {
    const bucket = pickBucket(program, random);
    if (!bucket) return null;
    const { c, parts } = bucket;
    const { values } = program.classes[c];
    const starts = parts.map((part) => values[part].view!.offset);
    const k = random.int(parts.length);
    const by = random.pick([...starts.map((start) => start - starts[k]), 1, 2, -1]);
    if (by === 0 || starts[k] + by < 0) return null;
    const moved = random.chance(0.3) ? parts.slice(k) : [parts[k]];
    return {
      program: moved.reduce((all, part) => begins(all, c, part, startOf(program, c, part) + by), program),
      aims: [],
    };
  },
  /** Two members of equal size, in what lies where, in the bucket's list, and in its table: as far as these are told to agree. */
  exchange_members: (program, random) => {
    const bucket = pickBucket(program, random);
    if (!bucket) return null;
    const { c, index, parts } = bucket;
    const { values } = program.classes[c];
    const sizes = parts.map((part) => elementsOf(values[part].type));
    const pairs = sizes.flatMap((size, i) => sizes.flatMap((other, j) => (i < j && size === other ? [[i, j]] : [])));
    if (pairs.length === 0) return null;
    const [i, j] = random.pick(pairs);
    const [listed, tabled] = [random.chance(0.7), random.chance(0.7)];
    const alike = (of: RankClass, at: ValueIndex) =>
      of.values[at].parts?.length === parts.length && of.values[at].name.endsWith(values[index].name);
    // In each class, and in what follows it after the step, as a wrong order of all would be.
    const everywhere = random.chance(0.4);
    const places = everywhere
      ? program.classes.flatMap((of, k) => of.values.flatMap((_, at) => (alike(of, at) ? [{ c: k, index: at }] : [])))
      : [{ c, index }];
    const changed = places.reduce((all, place) => {
      const value = all.classes[place.c].values[place.index];
      const [a, b] = [value.parts![i], value.parts![j]];
      const placed = begins(begins(all, place.c, a, startOf(all, place.c, b)), place.c, b, startOf(all, place.c, a));
      if (!listed) return placed;
      const tensors = tabled && value.tensors ? swapped(value.tensors, i, j) : value.tensors;
      return editValue(placed, place.c, place.index, (one) => ({ ...one, parts: swapped(one.parts!, i, j), tensors }));
    }, program);
    return { program: changed, aims: [] };
  },
  /** What each rank has whole joins a sum as it is: who made it writes where its masked part should lie, said to be partial or whole. */
  leave_out_a_mask: (original, random) => {
    const program = scoped(original, random);
    // Of zeros there is nothing to mask.
    const counts = (x: Instruction) => x.kind === 'kernel' && x.inputs.length > 0;
    const found = sitesOf(program, isMask).flatMap((site) => {
      const { input } = site.instruction as MoveInstruction;
      const makers = sitesOf(program, (x) => counts(x) && writes(x).includes(input.value));
      const before = makers.filter(({ c, t, i }) => c === site.c && t === site.t && i < site.i);
      return before.length > 0 ? [{ site, makers: before }] : [];
    });
    if (found.length === 0) return null;
    const { site, makers } = random.pick(found);
    const { input, output } = site.instruction as MoveInstruction;
    const { layout } = program.classes[site.c].values[input.value];
    const at = new Set(makers.map(({ i }) => i));
    // Neither the mask nor the zeros under it.
    const isGone = (x: Instruction, i: number) =>
      i === site.i || (x.kind === 'fill' && x.output.value === output.value);
    const unmasked = editBody(program, site, (body) =>
      body.flatMap((x, i) => (isGone(x, i) ? [] : [at.has(i) ? withValue(x, input.value, output.value, 'write') : x])),
    );
    const said = random.chance(0.5)
      ? editValue(unmasked, site.c, output.value, (value) => ({ ...value, layout }))
      : unmasked;
    return mutant(said, site, ...makers);
  },
  /** In a table of tensors one counts as padding, or the padding as one; in one class or in all. */
  mistake_padding: (program, random) => {
    const tables = program.classes.flatMap(({ values }, c) =>
      values.flatMap(({ tensors, lifetime }, index) =>
        tensors && lifetime === 'persistent' ? [{ c, index, tensors }] : [],
      ),
    );
    if (tables.length === 0) return null;
    const { c, index, tensors } = random.pick(tables);
    const k = random.int(tensors.length);
    const flipped = ({ isPadding, ...tensor }: PackedTensor): PackedTensor =>
      isPadding ? tensor : { ...tensor, isPadding: true };
    const { name } = program.classes[c].values[index];
    const everywhere = random.chance(0.4);
    const changed = program.classes.reduce(
      (all, { values }, at) =>
        (everywhere || at === c) && values[index]?.name === name && values[index].tensors
          ? editValue(all, at, index, (value) => ({
              ...value,
              tensors: value.tensors!.map((tensor, i) => (i === k ? flipped(tensor) : tensor)),
            }))
          : all,
      program,
    );
    return { program: changed, aims: [] };
  },
};

function isMask(x: Instruction): boolean {
  return x.kind === 'unpack' && (x.move.kind === 'mask' || x.move.kind === 'pad');
}

/** A random bucket of several members. */
function pickBucket(program: Program, random: Random) {
  const buckets = program.classes.flatMap(({ values }, c) =>
    values.flatMap(({ parts }, index) => (parts && parts.length > 1 ? [{ c, index, parts }] : [])),
  );
  return buckets.length > 0 ? random.pick(buckets) : null;
}

const startOf = (program: Program, c: number, part: ValueIndex): number => program.classes[c].values[part].view!.offset;

const begins = (program: Program, c: number, part: ValueIndex, offset: number): Program =>
  editValue(program, c, part, (value) => ({ ...value, view: { ...value.view!, offset } }));

const swapped = <T>(list: readonly T[], i: number, j: number): readonly T[] =>
  list.map((one, k) => (k === i ? list[j] : k === j ? list[i] : one));
