/** Wrong gathers and sums of buckets: what was gathered for others, too early or not at all; gradients that no rank reduced. */
import type { CollectiveInstruction, Instruction, ValueIndex } from '../../../src/program/program.js';
import { reads, replaceAt, scoped, sitesOf, withValue } from '../edit.js';
import type { Mutations } from '../mutant.js';
import { drop, mutant, onOne } from './site.js';

const isGather = (x: Instruction): boolean => x.kind === 'collective' && x.move.kind === 'all_gather';

export const buckets: Mutations = {
  /** Later microbatches read what the first one gathered, or what lies there since. */
  stale_gather: onOne(isGather, (program, site) => {
    const { name } = program.classes[site.c].templates[site.t];
    return name.includes('.first') ? null : drop(program, site);
  }),
  /** A weight is read as it was gathered for another segment or direction. */
  read_another_gather: (original, random) => {
    const program = scoped(original, random);
    const found = sitesOf(program, () => true).flatMap((site) => {
      const { values } = program.classes[site.c];
      const nameOf = (index: ValueIndex) => values[index].name.split(' in ')[0];
      return reads(site.instruction).flatMap((value) => {
        if (!values[value].name.includes(' in ')) return [];
        const others = values.flatMap((_, i) => (i !== value && nameOf(i) === nameOf(value) ? [i] : []));
        return others.length > 0 ? [{ site, value, others }] : [];
      });
    });
    if (found.length === 0) return null;
    const { site, value, others } = random.pick(found);
    return mutant(replaceAt(program, site, withValue(site.instruction, value, random.pick(others), 'read')), site);
  },
  /** Each rank keeps its own part of what it has, and says that it is the sum. */
  unreduced_shard: onOne(
    (x) => x.kind === 'collective' && x.move.kind === 'reduce_scatter',
    (program, site) => {
      const { move, input, output, global, source } = site.instruction as CollectiveInstruction;
      const from = { ...move.from, partial: {} };
      const local = { ...move, kind: 'slice' as const, from, reduction: undefined };
      return mutant(
        replaceAt(program, site, { kind: 'unpack', move: local, global, input, output, lane: 'compute', source }),
        site,
      );
    },
  ),
};
