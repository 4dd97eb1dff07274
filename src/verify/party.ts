/** A class among others, as the rules between classes walk it: its digest with its places in the mesh, its templates in launch order. */
import type { Place } from '../ir/diagnostic.js';
import { coordinatesOf, type Coordinates, type Mesh } from '../ir/mesh.js';
import type { Lane, Program } from '../program/program.js';
import { describeLine, describeMembers } from './describe.js';
import type { ClassDigest, DigestLine, MeetingLine } from './digest.js';

export interface Party {
  readonly name: string;
  readonly group: number;
  readonly mesh: Mesh;
  /** Global ranks of its members. */
  readonly ranks: readonly number[];
  /** Their places in the mesh. */
  readonly members: readonly Coordinates[];
  readonly lanes: readonly Lane[];
  readonly templates: ClassDigest['templates'];
  readonly steps: readonly PartyStep[];
}

export interface PartyStep {
  /** Name of the template. */
  readonly template: string;
  readonly microbatch: number;
  readonly lines: readonly DigestLine[];
}

export function partyOf(groups: Program['groups'], digest: ClassDigest): Party {
  const { name, group, ranks, lanes, templates, schedule } = digest;
  const { mesh, firstRank } = groups[group];
  return {
    name,
    group,
    mesh,
    ranks,
    members: ranks.map((rank) => coordinatesOf(mesh, rank - firstRank)),
    lanes,
    templates,
    steps: schedule.map(({ template, microbatch }) => {
      const { name: of, lines } = templates[template];
      return { template: of, microbatch, lines };
    }),
  };
}

/** Whether a line meets other ranks. */
export const isMeeting = (line: DigestLine): line is MeetingLine => line.kind !== 'signal' && line.kind !== 'wait';

/** One launch of a line. */
export interface LaunchedLine<L extends MeetingLine = MeetingLine> {
  readonly line: L;
  readonly step: PartyStep;
}

/** The launch as a diagnostic points at it. */
export const placeOfLine = (party: Party, { line, step: { template, microbatch } }: LaunchedLine): Place => ({
  at: describeLine({ ...line, template, lane: party.lanes[line.lane] }, microbatch),
  note: describeMembers(party.name, party.ranks),
});
