/** Programs with one thing changed: copies, never the original. */
import type {
  Instruction,
  Program,
  ProgramValue,
  RankClass,
  ScheduleStep,
  ValueIndex,
} from '../../src/program/program.js';
import { baseOf } from '../../src/program/place.js';
import { operandsOf, withOperands } from '../../src/program/kinds.js';
import { instructionsOf } from '../../src/program/unroll.js';
import { bytesOf, elementsOf } from '../../src/ir/type.js';
import type { Random } from './random.js';

/** One instruction of a program: class, template, position among its instructions, loops written out. */
export interface Site {
  readonly c: number;
  readonly t: number;
  readonly i: number;
  readonly instruction: Instruction;
}

export function sitesOf(program: Program, fits: (instruction: Instruction) => boolean): readonly Site[] {
  return program.classes.flatMap(({ templates }, c) =>
    templates.flatMap((template, t) =>
      instructionsOf(template).flatMap((instruction, i) => (fits(instruction) ? [{ c, t, i, instruction }] : [])),
    ),
  );
}

export function editClass(program: Program, c: number, edit: (rankClass: RankClass) => RankClass): Program {
  return { ...program, classes: program.classes.map((rankClass, i) => (i === c ? edit(rankClass) : rankClass)) };
}

export function editBody(
  program: Program,
  { c, t }: Pick<Site, 'c' | 't'>,
  edit: (body: readonly Instruction[]) => readonly Instruction[],
): Program {
  return editClass(program, c, (rankClass) => ({
    ...rankClass,
    templates: rankClass.templates.map((template, i) =>
      i === t ? { ...template, body: edit(instructionsOf(template)) } : template,
    ),
  }));
}

export const replaceAt = (program: Program, site: Site, ...instructions: readonly Instruction[]): Program =>
  editBody(program, site, (body) => [...body.slice(0, site.i), ...instructions, ...body.slice(site.i + 1)]);

/** Takes the instruction at `from` out and puts it before what was at `to`. */
export function moveTo(program: Program, site: Site, to: number): Program {
  return editBody(program, site, (body) => {
    const rest = body.filter((_, i) => i !== site.i);
    rest.splice(to > site.i ? to - 1 : to, 0, site.instruction);
    return rest;
  });
}

export const exchange = (program: Program, a: Site, b: Site): Program =>
  editBody(program, a, (body) => body.map((x, i) => (i === a.i ? b.instruction : i === b.i ? a.instruction : x)));

export function editValue(
  program: Program,
  c: number,
  index: ValueIndex,
  edit: (v: ProgramValue) => ProgramValue,
): Program {
  return editClass(program, c, (rankClass) => ({
    ...rankClass,
    values: rankClass.values.map((value, i) => (i === index ? edit(value) : value)),
  }));
}

export function editSchedule(
  program: Program,
  c: number,
  edit: (schedule: readonly ScheduleStep[]) => readonly ScheduleStep[],
): Program {
  return editClass(program, c, (rankClass) => ({ ...rankClass, schedule: edit(rankClass.schedule) }));
}

/** One member of a class becomes a class of its own: the same program, and what is changed there concerns one rank. */
export function splitClass(
  program: Program,
  c: number,
  member: number,
): { readonly program: Program; readonly c: number } {
  const rankClass = program.classes[c];
  if (rankClass.members.length < 2) return { program, c };
  const only = (keeps: (member: number) => boolean, name: string): RankClass => ({
    ...rankClass,
    name,
    members: rankClass.members.filter((_, i) => keeps(i)),
    templates: rankClass.templates.map((template) => {
      const body = instructionsOf(template).map((instruction) =>
        instruction.kind === 'send' || instruction.kind === 'receive'
          ? { ...instruction, peers: instruction.peers.filter((_, i) => keeps(i)) }
          : instruction,
      );
      return { ...template, body };
    }),
  });
  const halves = [
    only((m) => m !== member, rankClass.name),
    only((m) => m === member, `${rankClass.name}, member ${member}`),
  ];
  const classes = program.classes.flatMap((one, i) => (i === c ? halves : [one]));
  return { program: { ...program, classes }, c: c + 1 };
}

/** Half of the time a rank is split off first, so that what follows may concern one rank or a whole class. */
export function scoped(program: Program, random: Random): Program {
  const c = random.int(program.classes.length);
  const { members } = program.classes[c];
  return members.length > 1 && random.chance(0.4)
    ? splitClass(program, c, random.int(members.length)).program
    : program;
}

export const reads = (instruction: Instruction): readonly ValueIndex[] =>
  operandsOf(instruction).flatMap(({ value, access }) => (access === 'write' ? [] : [value]));

export const writes = (instruction: Instruction): readonly ValueIndex[] =>
  operandsOf(instruction).flatMap(({ value, access }) => (access === 'read' ? [] : [value]));

/** Whole buffers that an instruction touches during a step of the schedule. */
export function spansOf({ values }: RankClass, instruction: Instruction, step: ScheduleStep) {
  return operandsOf(instruction).map(({ value, access }) => {
    const base = baseOf(values, value);
    const start = step.offsets[base];
    return { start, end: start + bytesOf(values[base].type), writes: access !== 'read' };
  });
}

/** True where no byte that one of them writes is touched by the other, in any step that runs both. */
export function areIndependent(rankClass: RankClass, template: string, a: Instruction, b: Instruction): boolean {
  return rankClass.schedule
    .filter((step) => step.template === template)
    .every((step) =>
      spansOf(rankClass, a, step).every((x) =>
        spansOf(rankClass, b, step).every((y) => !(x.writes || y.writes) || x.end <= y.start || y.end <= x.start),
      ),
    );
}

/** Values that could stand in for another without any size going wrong. */
export function lookalikes({ values }: RankClass, index: ValueIndex): readonly ValueIndex[] {
  const { type, view } = values[index];
  return values.flatMap((other, i) =>
    i !== index &&
    other.type.dtype === type.dtype &&
    elementsOf(other.type) === elementsOf(type) &&
    String(other.type.dims.flat().map((f) => f.size)) === String(type.dims.flat().map((f) => f.size)) &&
    !other.view?.made === !view?.made
      ? [i]
      : [],
  );
}

/** The same instruction with one operand exchanged. */
export const withValue = <I extends Instruction>(
  instruction: I,
  from: ValueIndex,
  to: ValueIndex,
  access: 'read' | 'write',
): I =>
  withOperands(instruction, (operand) =>
    operand.value === from && (operand.access === 'read') === (access === 'read') ? to : operand.value,
  );
