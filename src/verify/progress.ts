/**
 * Every step completes.
 *
 * What an instruction waits for is fixed: the one before it on its lane, the signal of its event, the other members of its collective,
 * the other side of its message (rendezvous: a send ends when it is received). So one completing order proves that every order
 * completes: the graph of what waits for what has no cycle. A second graph chains each device's collectives in launch order, for
 * backends that run them one at a time.
 *
 * Within a rank everything waits for what was launched before it; a circle leads through meetings with other ranks. Only these are
 * nodes, each after the meetings that it surely follows. Ranks of a class are told apart as little as will do: not at all at first, then
 * by their places along some of the mesh's axes, the fewest first. Whatever is left out, a circle of ranks is a closed walk of what
 * stands for them, so that no circle there means none; only where all places are told apart is a circle one of ranks.
 */
import type { DiagnosticError } from '../ir/diagnostic.js';
import { leaderOf, partIndex, rankAt, type AxisName } from '../ir/mesh.js';
import type { Lane } from '../program/program.js';
import { channelsOf } from './channels.js';
import type { EventLine } from './digest.js';
import * as diagnose from './diagnostics.js';
import { isMeeting, placeOfLine, type LaunchedLine, type Party } from './party.js';

export function checkProgress(parties: readonly Party[]): readonly DiagnosticError[] {
  const meetings = new Map(parties.map((party) => [party, meetingsOf(party)]));
  const channels = channelsOf(parties);
  const axes = axesOf(parties);
  for (const chained of [false, true]) {
    let stuck: ReturnType<typeof circle> = [];
    for (const told of axes) {
      stuck = circle(unitsBy(parties, meetings, channels, told), chained);
      if (stuck.length === 0) break;
    }
    if (stuck.length === 0) continue;
    const how = chained ? ' where collectives run one at a time in launch order' : '';
    const where = stuck.slice(0, 8).map(({ party, meeting }) => placeOfLine(party, meeting));
    return [diagnose.deadlock({ how, where })];
  }
  return [];
}

/** The sets of axes along which ranks may be told apart, those that make the fewest units first; the last tells all of them apart. */
function axesOf(parties: readonly Party[]): readonly ReadonlySet<AxisName>[] {
  const sizes = new Map<AxisName, number>();
  for (const { mesh } of parties)
    for (const { name, size } of mesh.axes) if (size > 1) sizes.set(name, Math.max(size, sizes.get(name) ?? 1));
  const names = [...sizes.keys()];
  const sets = Array.from({ length: 2 ** names.length }, (_, bits) => names.filter((_, i) => (bits >> i) & 1));
  const units = (set: readonly AxisName[]) => set.reduce((n, name) => n * sizes.get(name)!, 1);
  return sets.sort((x, y) => units(x) - units(y)).map((set) => new Set(set));
}

/** A collective, a send or a receive. */
interface Meeting extends LaunchedLine {
  /** Meetings of the class that have surely ended when it begins: the latest of each lane. */
  readonly after: readonly number[];
  /** Which one of its kind it is: the k-th send. */
  readonly position: number;
}

function meetingsOf({ lanes, steps }: Party): readonly Meeting[] {
  const known = lanes.map(() => new Int32Array(lanes.length).fill(-1));
  const signalled: Int32Array[] = [];
  const positions = new Map<string, number>();
  const found: Meeting[] = [];
  for (const step of steps) {
    for (const line of step.lines) {
      const mine = known[line.lane];
      if (isMeeting(line)) {
        const after = [...mine].filter((meeting) => meeting >= 0);
        mine[line.lane] = found.length;
        const position = positions.get(line.kind) ?? 0;
        positions.set(line.kind, position + 1);
        found.push({ line, step, after, position });
      } else if (line.kind === 'signal') signalled[eventAt(line, step.microbatch)] = mine.slice();
      else
        signalled[eventAt(line, step.microbatch)]?.forEach(
          (meeting, lane) => (mine[lane] = Math.max(mine[lane], meeting)),
        );
    }
  }
  return found;
}

/** The number of the event that a line means in a step of a microbatch. */
const eventAt = ({ event, each }: EventLine, microbatch: number): number => (each ? event + microbatch : event);

interface Unit {
  readonly party: Party;
  readonly meetings: readonly Meeting[];
}

/** What meets: units with their meetings, and the pairs of meetings that happen together, as [unit, meeting, unit, meeting]. */
interface Units {
  readonly units: readonly Unit[];
  readonly pairs: readonly (readonly [number, number, number, number])[];
}

type MeetingsOfParty = ReadonlyMap<Party, readonly Meeting[]>;

/** Ranks of a class that have the same place along the axes of `told` are one unit: what they meet, they meet alike. */
function unitsBy(
  parties: readonly Party[],
  meetings: MeetingsOfParty,
  channels: ReturnType<typeof channelsOf>,
  told: ReadonlySet<AxisName>,
): Units {
  const units: Unit[] = [];
  const unitOf = new Map<number, number>();
  for (const party of parties) {
    const axes = party.mesh.axes.filter(({ name }) => told.has(name)).map(({ name }) => name);
    const known = new Map<number, number>();
    party.ranks.forEach((rank, member) => {
      const place = partIndex(party.mesh, axes, party.members[member]);
      const unit = known.get(place) ?? units.push({ party, meetings: meetings.get(party)! }) - 1;
      known.set(place, unit);
      unitOf.set(rank, unit);
    });
  }
  const pairs = [
    ...collectivePairs(parties, meetings, units, unitOf),
    ...messagePairs(parties, meetings, channels, unitOf),
  ];
  return { units, pairs };
}

/** All members of a group meet its first. */
function* collectivePairs(
  parties: readonly Party[],
  meetings: MeetingsOfParty,
  units: Units['units'],
  unitOf: ReadonlyMap<number, number>,
): Generator<Units['pairs'][number]> {
  const collectives = new Map(parties.map((party) => [party, collectivesByLane(party, meetings.get(party)!)]));
  for (const party of parties) {
    const { mesh, members, ranks } = party;
    for (const [lane, { axes, list }] of collectives.get(party)!) {
      const known = new Set<number>();
      for (const [member, rank] of ranks.entries()) {
        const at = members[member];
        const unit = unitOf.get(rank)!;
        const leader = unitOf.get(rank - rankAt(mesh, at) + leaderOf(mesh, axes, at))!;
        const key = unit * units.length + leader;
        if (leader === unit || known.has(key)) continue;
        known.add(key);
        const theirs = collectives.get(units[leader].party)!.get(lane)?.list ?? [];
        for (let k = 0; k < Math.min(list.length, theirs.length); k++) yield [unit, list[k], leader, theirs[k]];
      }
    }
  }
}

interface Communicator {
  readonly axes: readonly AxisName[];
  /** Its collectives, as positions among the meetings. */
  readonly list: number[];
}

function collectivesByLane({ lanes }: Party, meetings: readonly Meeting[]): ReadonlyMap<Lane, Communicator> {
  const found = new Map<Lane, Communicator>();
  meetings.forEach(({ line }, i) => {
    if (line.kind !== 'collective') return;
    const lane = lanes[line.lane];
    const known = found.get(lane);
    if (known) known.list.push(i);
    else found.set(lane, { axes: line.axes, list: [i] });
  });
  return found;
}

/** The k-th send of a channel meets its k-th receive. */
function* messagePairs(
  parties: readonly Party[],
  meetings: MeetingsOfParty,
  channels: ReturnType<typeof channelsOf>,
  unitOf: ReadonlyMap<number, number>,
): Generator<Units['pairs'][number]> {
  const numbers = new Map(
    parties.map((party) => {
      const byLaunch = { send: [] as number[], receive: [] as number[] };
      meetings.get(party)!.forEach(({ line, position }, i) => {
        if (line.kind !== 'collective') byLaunch[line.kind][position] = i;
      });
      return [party, byLaunch] as const;
    }),
  );
  // Of channels between the same units, each meeting once.
  const known = new Map<number, Set<number>>();
  const most = Math.max(1, ...[...meetings.values()].map((list) => list.length));
  for (const { from, to, sends, receives } of channels) {
    const [sender, receiver] = [unitOf.get(from)!, unitOf.get(to)!];
    const between = sender * 2 ** 26 + receiver;
    const seen = known.get(between) ?? new Set();
    known.set(between, seen);
    for (let k = 0; k < Math.min(sends.length, receives.length); k++) {
      const sent = numbers.get(sends[k].party)!.send[sends[k].position];
      const received = numbers.get(receives[k].party)!.receive[receives[k].position];
      const key = sent * most + received;
      if (seen.has(key)) continue;
      seen.add(key);
      yield [sender, sent, receiver, received];
    }
  }
}

/** What never happens, by one run (Kahn's algorithm): the head of each lane that is stuck; empty where all happens. */
function circle({ units, pairs }: Units, chained: boolean) {
  const starts: number[] = [];
  let count = 0;
  for (const { meetings } of units) {
    starts.push(count);
    count += meetings.length;
  }
  const together = Int32Array.from({ length: count }, (_, i) => i);
  const find = (i: number): number => {
    while (together[i] !== i) i = together[i] = together[together[i]];
    return i;
  };
  for (const [a, i, b, j] of pairs) together[find(starts[a] + i)] = find(starts[b] + j);

  const edges: number[] = [];
  units.forEach(({ meetings }, unit) => {
    let previous = -1;
    meetings.forEach(({ line, after }, i) => {
      for (const before of after) edges.push(find(starts[unit] + before), find(starts[unit] + i));
      if (!chained || line.kind !== 'collective') return;
      if (previous >= 0) edges.push(find(starts[unit] + previous), find(starts[unit] + i));
      previous = i;
    });
  });
  const waits = new Int32Array(count);
  const first = new Int32Array(count).fill(-1);
  const next = new Int32Array(edges.length / 2);
  for (let e = 0; e < next.length; e++) {
    waits[edges[2 * e + 1]]++;
    next[e] = first[edges[2 * e]];
    first[edges[2 * e]] = e;
  }
  const ready: number[] = [];
  for (let i = 0; i < count; i++) if (together[i] === i && waits[i] === 0) ready.push(i);
  while (ready.length > 0) {
    for (let e = first[ready.pop()!]; e >= 0; e = next[e])
      if (--waits[edges[2 * e + 1]] === 0) ready.push(edges[2 * e + 1]);
  }
  // The first that is stuck on each lane: what a person would find there.
  return units.flatMap(({ party, meetings }, unit) => {
    const lanes = new Set<number>();
    return meetings.flatMap((meeting, i) => {
      if (waits[find(starts[unit] + i)] === 0 || lanes.has(meeting.line.lane)) return [];
      lanes.add(meeting.line.lane);
      return [{ party, meeting }];
    });
  });
}
