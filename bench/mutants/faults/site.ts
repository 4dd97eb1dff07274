/** Where a fault is put: at a random instruction that fits, at two of one template, at a step of a schedule. */
import type { Instruction, Program, ScheduleStep, TileInstruction, ValueIndex } from '../../../src/program/program.js';
import { exchange, lookalikes, replaceAt, scoped, sitesOf, withValue, type Site } from '../edit.js';
import type { Mutant, Mutation } from '../mutant.js';
import type { Random } from '../random.js';

/** Applies a change to a random instruction that fits. */
export function onOne(
  fits: (instruction: Instruction) => boolean,
  change: (program: Program, site: Site, random: Random) => Mutant | null,
): Mutation {
  return (original, random) => {
    const program = scoped(original, random);
    const sites = sitesOf(program, fits);
    return sites.length === 0 ? null : change(program, random.pick(sites), random);
  };
}

/** Exchanges two instructions of one template, near each other more often than not. */
export function onPair(
  fits: (instruction: Instruction) => boolean,
  together: (program: Program, a: Site, b: Site) => boolean,
): Mutation {
  return (original, random) => {
    const program = scoped(original, random);
    const sites = sitesOf(program, fits);
    if (sites.length < 2) return null;
    const a = random.pick(sites);
    const near = sites.filter((b) => b.c === a.c && b.t === a.t && b.i > a.i && together(program, a, b));
    if (near.length === 0) return null;
    const b = random.chance(0.6) ? near[0] : random.pick(near);
    return mutant(exchange(program, a, b), a, b);
  };
}

/** Applies a change to a random step of a class's schedule. */
export function inSchedule(
  change: (program: Program, c: number, step: ScheduleStep, index: number, random: Random) => Program | null,
): Mutation {
  return (original, random) => {
    const program = scoped(original, random);
    const c = random.int(program.classes.length);
    const index = random.int(program.classes[c].schedule.length);
    const changed = change(program, c, program.classes[c].schedule[index], index, random);
    return changed && { program: changed, aims: [] };
  };
}

export const mutant = (program: Program, ...sites: readonly Site[]): Mutant => ({
  program,
  aims: sites,
  touches: sites.map(({ instruction }) => instruction.kind),
});

/** One of these operands, as a value like it. */
export function readAnother(program: Program, site: Site, among: readonly ValueIndex[], random: Random): Mutant | null {
  if (among.length === 0) return null;
  const operand = random.pick(among);
  const others = lookalikes(program.classes[site.c], operand);
  if (others.length === 0) return null;
  return mutant(replaceAt(program, site, withValue(site.instruction, operand, random.pick(others), 'read')), site);
}

export const drop = (program: Program, site: Site): Mutant => mutant(replaceAt(program, site), site);

export function isCollective(x: Instruction): boolean {
  return x.kind === 'collective';
}
export function isWait(x: Instruction): boolean {
  return x.kind === 'wait';
}
export function isSignal(x: Instruction): boolean {
  return x.kind === 'signal';
}
export function isKernel(x: Instruction): boolean {
  return x.kind === 'kernel';
}
export function isMove(x: Instruction): boolean {
  return x.kind === 'pack' || x.kind === 'unpack';
}
export function isTile(x: Instruction): x is TileInstruction {
  return x.kind === 'pack_tile' || x.kind === 'unpack_tile';
}
export function isFill(x: Instruction): boolean {
  return x.kind === 'fill';
}
export function isTransfer(x: Instruction): boolean {
  return x.kind === 'send' || x.kind === 'receive';
}
