/** Wrong wiring: instructions left out or run twice, operands and results exchanged. */
import { printLayout } from '../../../src/ir/layout.js';
import { printFactors } from '../../../src/ir/type.js';
import type { Instruction, KernelInstruction, Program, ProgramValue } from '../../../src/program/program.js';
import { editBody, lookalikes, reads, replaceAt, withValue, writes, type Site } from '../edit.js';
import type { Mutations } from '../mutant.js';
import { drop, isCollective, isKernel, isMove, isTile, isTransfer, mutant, onOne, readAnother } from './site.js';

export const operands: Mutations = {
  drop_kernel: onOne(isKernel, (program, site) => drop(program, site)),
  /** Neighbours, whatever they are. */
  drop_instructions: onOne(
    () => true,
    (program, site, random) => {
      const count = 2 + random.int(4);
      return mutant(
        editBody(program, site, (body) => body.filter((_, i) => i < site.i || i >= site.i + count)),
        site,
      );
    },
  ),
  /** Left out, and who read its result reads its operand. */
  bypass_kernel: onOne(isKernel, (program, site, random) => {
    const { inputs, outputs } = site.instruction as KernelInstruction;
    const { values } = program.classes[site.c];
    const others = inputs.filter(({ value }) => sameType(values[value], values[outputs[0].value]));
    if (others.length === 0) return null;
    const { value } = random.pick(others);
    const rewired = editBody(program, site, (body) => body.map((x) => withValue(x, outputs[0].value, value, 'read')));
    return mutant(replaceAt(rewired, site), site);
  }),
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
    (x) => isKernel(x) || isMove(x) || isCollective(x) || isTile(x),
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
    (x) => isKernel(x) || isMove(x) || isCollective(x) || isTransfer(x) || isTile(x),
    (program, site, random) => readAnother(program, site, reads(site.instruction), random),
  ),
  wrong_result: onOne(
    (x) => isKernel(x) || isMove(x) || isCollective(x) || isTile(x),
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

const sameType = (a: ProgramValue, b: ProgramValue): boolean =>
  a.type.dtype === b.type.dtype &&
  printFactors(a.type) === printFactors(b.type) &&
  printLayout(a.layout) === printLayout(b.layout);
