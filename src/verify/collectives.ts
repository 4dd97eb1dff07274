/**
 * The members of every communicator launch the same collectives in the same order: kind, axes, reduction, layouts, type and
 * names. Members of one class do by construction; classes of a group are compared where they share a group.
 */
import type { DiagnosticError, Place } from '../ir/diagnostic.js';
import { leaderOf, type AxisName } from '../ir/mesh.js';
import type { Lane } from '../program/program.js';
import type { CollectiveLine } from './digest.js';
import * as diagnose from './diagnostics.js';
import { placeOfLine, type LaunchedLine, type Party } from './party.js';

export function checkCollectives(parties: readonly Party[]): readonly DiagnosticError[] {
  const faults: DiagnosticError[] = [];
  const launched = new Map(parties.map((one) => [one, sequencesOf(one)]));
  for (const [place, one] of parties.entries()) {
    const sequences = launched.get(one)!;
    for (const [lane, axes] of communicatorsOf(one)) {
      const meets = meetingOf(one, axes);
      for (const [at, other] of parties.entries()) {
        // Classes before it that have collectives there have been compared with it.
        if (at === place || (at < place && launched.get(other)!.has(lane))) continue;
        if (!meets(other)) continue;
        const fault = compare(lane, [one, sequences.get(lane) ?? []], [other, launched.get(other)!.get(lane) ?? []]);
        if (fault) faults.push(fault);
      }
    }
  }
  return faults;
}

/** The axes of each communicator that a class uses, by its lane. */
function communicatorsOf({ lanes, templates }: Party): ReadonlyMap<Lane, readonly AxisName[]> {
  const found = new Map<Lane, readonly AxisName[]>();
  for (const { lines } of templates)
    for (const line of lines) {
      const lane = lanes[line.lane];
      if (line.kind === 'collective' && !found.has(lane)) found.set(lane, line.axes);
    }
  return found;
}

/** Whether members of another class launch collectives over these axes together with members of `one`. */
function meetingOf(one: Party, axes: readonly AxisName[]): (other: Party) => boolean {
  const groups = new Set(one.members.map((at) => leaderOf(one.mesh, axes, at)));
  return (other) => other.group === one.group && other.members.some((at) => groups.has(leaderOf(other.mesh, axes, at)));
}

type Launched = LaunchedLine<CollectiveLine>;

function sequencesOf({ lanes, steps }: Party): ReadonlyMap<Lane, readonly Launched[]> {
  const sequences = new Map<Lane, Launched[]>();
  for (const step of steps) {
    for (const line of step.lines) {
      if (line.kind !== 'collective') continue;
      const lane = lanes[line.lane];
      const known = sequences.get(lane);
      if (known) known.push({ line, step });
      else sequences.set(lane, [{ line, step }]);
    }
  }
  return sequences;
}

function compare(
  lane: Lane,
  [one, first]: readonly [Party, readonly Launched[]],
  [other, second]: readonly [Party, readonly Launched[]],
): DiagnosticError | null {
  const length = Math.max(first.length, second.length);
  for (let position = 0; position < length; position++) {
    const [a, b] = [first[position], second[position]];
    if (a && b && a.line.text === b.line.text && a.step.microbatch === b.step.microbatch) continue;
    const print = (x: Launched | undefined) => (x ? `${x.line.text} @${x.step.microbatch}` : 'the end of the lane');
    const place = (x: Launched | undefined, of: Party): readonly Place[] => (x ? [placeOfLine(of, x)] : []);
    const where = [...place(a, one), ...place(b, other)];
    return diagnose.collectivesDiffer({ lane, position, one: print(a), other: print(b), where });
  }
  return null;
}
