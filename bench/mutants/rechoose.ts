/** What a wrong pass would do that asks the kernel table for what it has made: its fault then shows elsewhere, or not at all. */
import type { KernelChooser } from '../../src/kernels/chooser.js';
import { kernelShape } from '../../src/program/kernel_shape.js';
import type { Instruction, Program, RankClass } from '../../src/program/program.js';
import { instructionsOf } from '../../src/program/unroll.js';

/** The program with a kernel of the table for each instruction whose own is none of it, where there is one. */
export function rechosen(program: Program, table: KernelChooser): Program {
  const classes = program.classes.map((rankClass): RankClass => {
    const templates = rankClass.templates.map((template) => {
      const body = instructionsOf(template);
      const chosen = body.map((instruction) => withKernel(instruction, rankClass.values, table));
      return chosen.every((one, i) => one === body[i]) ? template : { ...template, body: chosen };
    });
    return templates.every((one, i) => one === rankClass.templates[i]) ? rankClass : { ...rankClass, templates };
  });
  return classes.every((one, i) => one === program.classes[i]) ? program : { ...program, classes };
}

function withKernel(instruction: Instruction, values: RankClass['values'], table: KernelChooser): Instruction {
  if (instruction.kind !== 'kernel') return instruction;
  try {
    const shape = kernelShape(instruction, values);
    if (table.scratchBytes(instruction.kernel, shape) !== null) return instruction;
    return { ...instruction, kernel: table.choose(shape) };
  } catch {
    return instruction;
  }
}
