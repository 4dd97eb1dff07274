/**
 * Rule 7: every step completes.
 *
 * What an instruction waits for is fixed: the one before it on its lane, the signal of its event, the other members of its collective,
 * the other side of its message (rendezvous: a send ends when it is received). So one completing order proves that every order
 * completes: the graph of what waits for what has no cycle. A second graph chains each device's collectives in launch order, for
 * backends that run them one at a time.
 *
 * Within a rank everything waits for what was launched before it; a circle leads through meetings with other ranks. Only these are
 * nodes, each after the meetings that it surely follows. First classes stand for their ranks: a circle of ranks is a closed walk of
 * classes, so no circle there means none. Where classes have one (stages of unlike meshes exchange crosswise), ranks decide.
 */
import type { DiagnosticError } from '../../ir/diagnostic.js';
import { leaderOf, rankAt } from '../../ir/mesh.js';
import { channelsOf } from './channels.js';
import { sharing } from './collectives.js';
import { describe, describeRanks, type CompiledClass, type CompiledInstruction } from './compiled_class.js';
import * as diagnose from './diagnostics.js';

export function checkProgress(classes: readonly CompiledClass[]): readonly DiagnosticError[] {
  const meetings = new Map(classes.map((compiled) => [compiled, meetingsOf(compiled)]));
  for (const chained of [false, true]) {
    if (circle(classUnits(classes, meetings), chained).length === 0) continue;
    const stuck = circle(rankUnits(classes, meetings), chained);
    if (stuck.length === 0) continue;
    const how = chained ? ' where collectives run one at a time in launch order' : '';
    const where = stuck.slice(0, 8).map(({ compiled, meeting: { at, microbatch } }) => ({
      at: describe(at, microbatch),
      note: describeRanks(compiled),
    }));
    return [diagnose.deadlock({ how, where })];
  }
  return [];
}

/** A collective, a send or a receive. */
interface Meeting {
  readonly at: CompiledInstruction;
  readonly microbatch: number;
  /** Meetings of the class that have surely ended when it begins: the latest of each lane. */
  readonly after: readonly number[];
  /** Which one of its kind it is: the k-th collective of its lane. */
  readonly position: number;
}

function meetingsOf({ lanes, steps }: CompiledClass): readonly Meeting[] {
  const known = lanes.map(() => new Int32Array(lanes.length).fill(-1));
  const signalled: Int32Array[] = [];
  const positions = lanes.map(() => 0);
  const found: Meeting[] = [];
  for (const { step, body } of steps) {
    for (const at of body) {
      const mine = known[at.lane];
      switch (at.instruction.kind) {
        case 'signal':
          signalled[at.event] = mine.slice();
          break;
        case 'wait':
          signalled[at.event]?.forEach((meeting, lane) => (mine[lane] = Math.max(mine[lane], meeting)));
          break;
        case 'collective':
        case 'send':
        case 'receive': {
          const after = [...mine].filter((meeting) => meeting >= 0);
          mine[at.lane] = found.length;
          found.push({ at, microbatch: step.microbatch, after, position: positions[at.lane]++ });
          break;
        }
        default:
          break;
      }
    }
  }
  return found;
}

/** What meets: units with their meetings, and the pairs of meetings that happen together, as [unit, meeting, unit, meeting]. */
interface Units {
  readonly units: readonly { readonly compiled: CompiledClass; readonly meetings: readonly Meeting[] }[];
  readonly pairs: readonly (readonly [number, number, number, number])[];
}

type MeetingsOfClass = ReadonlyMap<CompiledClass, readonly Meeting[]>;

/** Classes as units: all that any two of their ranks share, they share. */
function classUnits(classes: readonly CompiledClass[], meetings: MeetingsOfClass): Units {
  const units = classes.map((compiled) => ({ compiled, meetings: meetings.get(compiled)! }));
  const pairs: (readonly [number, number, number, number])[] = [];
  const collectives = units.map(({ meetings: list }) => collectivesByLane(list));
  classes.forEach((one, i) => {
    for (const [lane, list] of collectives[i]) {
      for (const other of sharing(classes, one, lane)) {
        const j = classes.indexOf(other);
        const theirs = collectives[j].get(lane) ?? [];
        for (let k = 0; k < Math.min(list.length, theirs.length); k++) pairs.push([i, list[k], j, theirs[k]]);
      }
    }
  });
  const unitOf = new Map(classes.map((compiled, i) => [compiled, i]));
  pairs.push(...messagePairs(classes, meetings, (compiled) => unitOf.get(compiled)!));
  return { units, pairs };
}

function rankUnits(classes: readonly CompiledClass[], meetings: MeetingsOfClass): Units {
  const units = classes.flatMap((compiled) =>
    compiled.ranks.map((rank, member) => ({ compiled, member, rank, meetings: meetings.get(compiled)! })),
  );
  const unitOf = new Map(units.map(({ rank }, i) => [rank, i]));
  const pairs: (readonly [number, number, number, number])[] = [];
  const collectives = new Map(classes.map((compiled) => [compiled, collectivesByLane(meetings.get(compiled)!)]));
  units.forEach(({ compiled, member, rank }, i) => {
    const { mesh, rankClass } = compiled;
    const at = rankClass.members[member];
    for (const [lane, list] of collectives.get(compiled)!) {
      // All members meet the first of their group.
      const first = leaderOf(mesh, lane.slice('group:'.length).split('*'), at);
      const leader = unitOf.get(rank - rankAt(mesh, at) + first)!;
      const theirs = collectives.get(units[leader].compiled)!.get(lane) ?? [];
      if (leader === i) continue;
      for (let k = 0; k < Math.min(list.length, theirs.length); k++) pairs.push([i, list[k], leader, theirs[k]]);
    }
  });
  pairs.push(...messagePairs(classes, meetings, (_, rank) => unitOf.get(rank)!));
  return { units, pairs };
}

function collectivesByLane(meetings: readonly Meeting[]): ReadonlyMap<`group:${string}`, readonly number[]> {
  const lanes = new Map<`group:${string}`, number[]>();
  meetings.forEach(({ at: { instruction } }, i) => {
    if (instruction.kind !== 'collective') return;
    const lane = instruction.lane as `group:${string}`;
    const list = lanes.get(lane);
    if (list) list.push(i);
    else lanes.set(lane, [i]);
  });
  return lanes;
}

function messagePairs(
  classes: readonly CompiledClass[],
  meetings: MeetingsOfClass,
  unitOf: (compiled: CompiledClass, rank: number) => number,
): readonly (readonly [number, number, number, number])[] {
  const numbers = new Map(
    classes.map((compiled) => {
      const byLaunch = new Map<string, number>();
      meetings.get(compiled)!.forEach(({ at, position }, i) => byLaunch.set(`${at.lane} ${position}`, i));
      return [compiled, byLaunch] as const;
    }),
  );
  const pairs = new Map<string, readonly [number, number, number, number]>();
  for (const { from, to, sends, receives } of channelsOf(classes)) {
    for (let k = 0; k < Math.min(sends.length, receives.length); k++) {
      const [sent, received] = [sends[k], receives[k]];
      const meetingOf = (m: typeof sent) => numbers.get(m.compiled)!.get(`${m.at.lane} ${m.position}`)!;
      const pair = [
        unitOf(sent.compiled, from),
        meetingOf(sent),
        unitOf(received.compiled, to),
        meetingOf(received),
      ] as const;
      pairs.set(pair.join(), pair);
    }
  }
  return [...pairs.values()];
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
    meetings.forEach(({ at, after }, i) => {
      for (const before of after) edges.push(find(starts[unit] + before), find(starts[unit] + i));
      if (!chained || at.instruction.kind !== 'collective') return;
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
  return units.flatMap(({ compiled, meetings }, unit) => {
    const lanes = new Set<number>();
    return meetings.flatMap((meeting, i) => {
      if (waits[find(starts[unit] + i)] === 0 || lanes.has(meeting.at.lane)) return [];
      lanes.add(meeting.at.lane);
      return [{ compiled, meeting }];
    });
  });
}
