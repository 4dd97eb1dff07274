/** Wrong wiring: instructions left out or run twice, operands and results exchanged. */
import type { Instruction, KernelInstruction, Program } from '../../../src/program/program.js';
import { editBody, lookalikes, reads, replaceAt, withValue, writes, type Site } from '../edit.js';
import type { Mutations } from '../mutant.js';
import { drop, isCollective, isKernel, isMove, isTransfer, mutant, onOne } from './site.js';

export const operands: Mutations = {
  drop_kernel: onOne(isKernel, (program, site) => drop(program, site)),
  drop_accumulate: onOne(accumulates, (program, site) => drop(program, site)),
  accumulate_becomes_write: onOne(accumulates, (program, site) =>
    mutant(replaceAt(program, site, withAccess(site.instruction, 'write')), site),
  ),
  write_becomes_accumulate: onOne(isKernel, (program, site, random) =>
    random.chance(0.5) || writesSum(program, site)
      ? mutant(replaceAt(program, site, withAccess(site.instruction, 'accumulate')), site)
      : null,
  ),
  duplicate_instruction: onOne(
    (x) => isKernel(x) || isMove(x) || isCollective(x),
    (program, site, random) => {
      const again = site.i + 1 + random.int(3);
      return mutant(
        editBody(program, site, (body) => [...body.slice(0, again), site.instruction, ...body.slice(again)]),
        site,
        { ...site, i: again },
      );
    },
  ),
  wrong_operand: onOne(
    (x) => isKernel(x) || isMove(x) || isCollective(x) || isTransfer(x),
    (program, site, random) => {
      const operands = reads(site.instruction);
      if (operands.length === 0) return null;
      const operand = random.pick(operands);
      const others = lookalikes(program.classes[site.c], operand);
      if (others.length === 0) return null;
      return mutant(replaceAt(program, site, withValue(site.instruction, operand, random.pick(others), 'read')), site);
    },
  ),
  wrong_result: onOne(
    (x) => isKernel(x) || isMove(x) || isCollective(x),
    (program, site, random) => {
      const results = writes(site.instruction);
      const result = random.pick(results);
      const others = lookalikes(program.classes[site.c], result);
      if (others.length === 0) return null;
      return mutant(replaceAt(program, site, withValue(site.instruction, result, random.pick(others), 'write')), site);
    },
  ),
  swap_operands: onOne(isKernel, (program, site, random) => {
    const kernel = site.instruction as KernelInstruction;
    if (kernel.inputs.length < 2) return null;
    const i = random.int(kernel.inputs.length - 1);
    const inputs = kernel.inputs.map((x, k) => (k === i ? kernel.inputs[i + 1] : k === i + 1 ? kernel.inputs[i] : x));
    return mutant(replaceAt(program, site, { ...kernel, inputs }), site);
  }),
};

const writesSum = (program: Program, { c, instruction }: Site): boolean =>
  writes(instruction).some((value) => program.classes[c].values[value].lifetime === 'sum');

function withAccess(instruction: Instruction, access: 'write' | 'accumulate'): Instruction {
  if (instruction.kind !== 'kernel') return instruction;
  return { ...instruction, outputs: instruction.outputs.map((output) => ({ ...output, access })) };
}

function accumulates(x: Instruction): boolean {
  return x.kind === 'kernel' && x.outputs.some(({ access }) => access === 'accumulate');
}
