/** Every field of every kind of instruction, one at a time: as another instruction of its kind has it, anywhere in the program. */
import { fieldNames } from '../../../src/program/kinds.js';
import type { Instruction } from '../../../src/program/program.js';
import { replaceAt, scoped, sitesOf } from '../edit.js';
import type { Mutations } from '../mutant.js';
import { mutant } from './site.js';

export const fields: Mutations = {
  /** Kinds are drawn first, so that rare ones are tried as often as kernels. */
  take_anothers_field: (original, random) => {
    const program = scoped(original, random);
    const all = sitesOf(program, () => true);
    const kind = random.pick([...new Set(all.map(({ instruction }) => instruction.kind))]);
    const alike = all.filter(({ instruction }) => instruction.kind === kind);
    const site = random.pick(alike);
    const field = random.pick(fieldNames(kind));
    const of = (instruction: Instruction) => (instruction as unknown as Readonly<Record<string, unknown>>)[field];
    const text = JSON.stringify(of(site.instruction));
    const others = alike.filter(({ c, instruction }) => c === site.c && JSON.stringify(of(instruction)) !== text);
    if (others.length === 0) return null;
    const changed = { ...site.instruction, [field]: of(random.pick(others).instruction) } as Instruction;
    return mutant(replaceAt(program, site, changed), site);
  },
};
