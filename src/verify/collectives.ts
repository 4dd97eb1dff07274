/**
 * Rule 5: the members of every communicator launch the same collectives in the same order: kind, axes, reduction, layouts, type and
 * names. Members of one class do by construction; classes of a group are compared where they share a group.
 */
import type { DiagnosticError, Place } from '../ir/diagnostic.js';
import { leaderOf, type AxisName } from '../ir/mesh.js';
import { printFactors } from '../ir/type.js';
import { isLocal, printMove } from '../reshard/moves.js';
import { communicatorsIn } from '../program/lane.js';
import type { CollectiveInstruction, Lane, ValueIndex } from '../program/program.js';
import { describe, describeRanks, type CompiledClass, type CompiledInstruction } from './compiled_class.js';
import * as diagnose from './diagnostics.js';

interface LaunchedCollective {
  readonly at: CompiledInstruction;
  readonly microbatch: number;
  readonly text: string;
}

export function checkCollectives(classes: readonly CompiledClass[]): readonly DiagnosticError[] {
  const faults: DiagnosticError[] = [];
  const launched = new Map(classes.map((one) => [one, sequencesOf(one)]));
  for (const [one, sequences] of launched) {
    for (const [lane, axes] of communicatorsOf(one)) {
      for (const other of sharing(classes, one, lane, axes)) {
        const fault = compare(lane, [one, sequences.get(lane)!], [other, launched.get(other)!.get(lane) ?? []]);
        if (fault) faults.push(fault);
      }
    }
  }
  return faults;
}

/** The axes of each communicator that a class uses, by its lane. */
export const communicatorsOf = ({ templates }: CompiledClass): ReadonlyMap<Lane, readonly AxisName[]> =>
  communicatorsIn([...templates.values()].flatMap((body) => body.map(({ instruction }) => instruction)));

/** The classes after `one` of which a member is in a group with a member of `one`; classes before it where they lack the lane. */
export function sharing(
  classes: readonly CompiledClass[],
  one: CompiledClass,
  lane: Lane,
  axes: readonly AxisName[],
): readonly CompiledClass[] {
  const groups = new Set(one.rankClass.members.map((at) => leaderOf(one.mesh, axes, at)));
  return classes.filter(
    (other) =>
      other !== one &&
      other.rankClass.group === one.rankClass.group &&
      (classes.indexOf(other) > classes.indexOf(one) || !other.lanes.includes(lane)) &&
      other.rankClass.members.some((at) => groups.has(leaderOf(other.mesh, axes, at))),
  );
}

function sequencesOf(compiled: CompiledClass): ReadonlyMap<Lane, readonly LaunchedCollective[]> {
  const nameOf = blockNames(compiled);
  const texts = new Map<CompiledInstruction, string>();
  const sequences = new Map<Lane, LaunchedCollective[]>();
  for (const { step, body } of compiled.steps) {
    for (const at of body) {
      if (at.instruction.kind !== 'collective') continue;
      let text = texts.get(at);
      if (text === undefined) {
        const { move, global, axes, reduction, input, output, lane }: CollectiveInstruction = at.instruction;
        const names = `${nameOf(input.value)} -> ${nameOf(output.value)}`;
        text = `${printMove(move)} along ${axes.join('*')} by ${reduction ?? 'nothing'} of ${printFactors(global)} (${names})`;
        texts.set(at, text);
        if (!sequences.has(lane)) sequences.set(lane, []);
      }
      sequences.get(at.instruction.lane)!.push({ at, microbatch: step.microbatch, text });
    }
  }
  return sequences;
}

/**
 * Names of what collectives exchange. Staging buffers count as the blocks that they are packed from and unpacked to: of classes with
 * blocks of unlike sizes one may need them where another does not.
 */
function blockNames({ rankClass: { values }, templates }: CompiledClass): (value: ValueIndex) => string {
  const blocks = new Map<ValueIndex, ValueIndex>();
  for (const body of templates.values()) {
    for (const { instruction } of body) {
      if ((instruction.kind !== 'pack' && instruction.kind !== 'unpack') || isLocal(instruction.move)) continue;
      if (instruction.kind === 'pack') blocks.set(instruction.output.value, instruction.input.value);
      else blocks.set(instruction.input.value, instruction.output.value);
    }
  }
  return (value) => values[blocks.get(value) ?? value].name;
}

function compare(
  lane: Lane,
  [one, first]: readonly [CompiledClass, readonly LaunchedCollective[]],
  [other, second]: readonly [CompiledClass, readonly LaunchedCollective[]],
): DiagnosticError | null {
  const length = Math.max(first.length, second.length);
  for (let position = 0; position < length; position++) {
    const [a, b] = [first[position], second[position]];
    if (a && b && a.text === b.text && a.microbatch === b.microbatch) continue;
    const print = (x: LaunchedCollective | undefined) => (x ? `${x.text} @${x.microbatch}` : 'the end of the lane');
    const place = (x: LaunchedCollective | undefined, of: CompiledClass): readonly Place[] =>
      x ? [{ at: describe(x.at, x.microbatch), note: describeRanks(of) }] : [];
    const where = [...place(a, one), ...place(b, other)];
    return diagnose.collectivesDiffer({ lane, position, one: print(a), other: print(b), where });
  }
  return null;
}
