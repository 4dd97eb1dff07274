/** Prints a program as a page: what `--dump-ir=after:lower` shows, and what golden tests compare. */
import { printLayout } from '../ir/layout.js';
import { printMesh } from '../ir/mesh.js';
import { printType } from '../ir/type.js';
import type { Instruction, Operand, Program, RankClass } from './program.js';
import { baseOf } from './unroll.js';

export function printProgram(program: Program): string {
  return program.classes.map((rankClass) => printClass(program, rankClass)).join('\n\n');
}

function printClass(program: Program, rankClass: RankClass): string {
  const { mesh, firstRank } = program.stages[rankClass.stage];
  const lines = [
    `class '${rankClass.name}' of ${printMesh(mesh)} from rank ${firstRank}, ${rankClass.members.length} ranks, ` +
      `${program.microbatches} microbatches, arena ${rankClass.arenaBytes} bytes`,
  ];
  for (const template of rankClass.templates) {
    lines.push(`  template ${template.name}:`);
    for (const instruction of template.body)
      lines.push(`    ${instruction.lane}: ${printInstruction(rankClass, instruction)}`);
  }
  lines.push('  schedule:');
  for (const step of rankClass.schedule) lines.push(`    ${step.template}(${step.microbatch})`);
  lines.push('  values:');
  for (const [index, value] of rankClass.values.entries()) {
    const place = value.view ? `view of '${rankClass.values[baseOf(rankClass.values, index)].name}'` : value.lifetime;
    lines.push(`    '${value.name}' : ${printType(value.type)} ${printLayout(value.layout, value.global)} ; ${place}`);
  }
  return lines.join('\n');
}

function printInstruction({ values }: RankClass, instruction: Instruction): string {
  const name = ({ value, access }: Operand) => `${access === 'accumulate' ? '+' : ''}'${values[value].name}'`;
  switch (instruction.kind) {
    case 'kernel':
      return `${instruction.outputs.map(name).join(', ')} = ${instruction.op}(${instruction.inputs.map(name).join(', ')})`;
    case 'pack':
    case 'unpack':
    case 'collective':
      return `${name(instruction.output)} = ${instruction.kind} ${instruction.move.kind} {axes=[${instruction.move.axes.join(' ')}]}(${name(instruction.input)})`;
    case 'pack_tile':
    case 'unpack_tile':
      return `${name(instruction.output)} = ${instruction.kind} ${instruction.message}(${name(instruction.input)})`;
    case 'send':
    case 'receive':
      return `${instruction.kind} ${name(instruction.operand)} with [${instruction.peers.join(' ')}]`;
    case 'signal':
    case 'wait':
      return `${instruction.kind} '${instruction.event}'`;
  }
}
