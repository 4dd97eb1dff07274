/**
 * The rules between classes, from their digests: every rank belongs to one class, collectives and messages meet their like, and nothing
 * hangs. Whoever has all digests can apply them, without any class's values, kernels or addresses.
 */
import type { DiagnosticError } from '../ir/diagnostic.js';
import { hasAxis, meshRanks, type AxisName } from '../ir/mesh.js';
import type { Program } from '../program/program.js';
import { checkChannels } from './channels.js';
import { checkCollectives } from './collectives.js';
import type { ClassDigest } from './digest.js';
import * as diagnose from './diagnostics.js';
import { partyOf } from './party.js';
import { checkProgress } from './progress.js';

/** Every fault in how classes meet that are each sound in structure. `digests`: of all classes. */
export function verifyMeetings(groups: Program['groups'], digests: readonly ClassDigest[]): readonly DiagnosticError[] {
  const faults = [...checkMicrobatches(digests), ...checkRanks(groups, digests)];
  if (faults.length > 0) return faults;
  const parties = digests.map((digest) => partyOf(groups, digest));
  return [...checkCollectives(parties), ...checkChannels(parties), ...checkProgress(parties)];
}

const malformed = (what: string) => diagnose.malformed({ what, where: [{ at: 'program' }] });

/** All classes have steps of as many microbatches. */
function* checkMicrobatches(digests: readonly ClassDigest[]): Generator<DiagnosticError> {
  const other = digests.find(({ microbatches }) => microbatches !== digests[0].microbatches);
  if (!other) return;
  const [one, ...its] = [digests[0], other].map(
    ({ name, microbatches }) => `'${name}' has steps of ${microbatches} microbatches`,
  );
  yield malformed(`${one}, ${its[0]}`);
}

/** Every rank of every group belongs to one class, and classes have ranks and axes of their groups alone. */
function* checkRanks(groups: Program['groups'], digests: readonly ClassDigest[]): Generator<DiagnosticError> {
  for (const { name, group, ranks, templates } of digests) {
    if (group >= groups.length) {
      yield malformed(`'${name}' is of group ${group}, and there are ${groups.length}`);
      return;
    }
    const { mesh, firstRank } = groups[group];
    const outside = ranks.find((rank) => rank < firstRank || rank >= firstRank + meshRanks(mesh));
    if (outside !== undefined) yield malformed(`'${name}' has rank ${outside}, which is not of group ${group}`);
    const isKnown = (axes: readonly AxisName[]) => axes.length > 0 && axes.every((axis) => hasAxis(mesh, axis));
    for (const { lines } of templates)
      for (const line of lines)
        if (line.kind === 'collective' && !isKnown(line.axes))
          yield malformed(
            `'${name}' has a collective over '${line.axes.join('*')}', and group ${group} has no such axes`,
          );
  }
  for (const [group, { mesh, firstRank }] of groups.entries()) {
    const covered = new Array<number>(meshRanks(mesh)).fill(0);
    for (const digest of digests) {
      if (digest.group === group) for (const rank of digest.ranks) covered[rank - firstRank]++;
    }
    const rank = covered.findIndex((count) => count !== 1);
    if (rank >= 0) yield malformed(`rank ${rank} of group ${group} belongs to ${covered[rank]} classes`);
  }
}
