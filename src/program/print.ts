/** Prints a program as a page: what `--dump-ir=after:fold` shows. */
import { printLayout } from '../ir/layout.js';
import { printMesh } from '../ir/mesh.js';
import { printType } from '../ir/type.js';
import { iterationsOf, parseNumbers } from './loop.js';
import { printPattern, type Moving } from './name_pattern.js';
import type { Instruction, Loop, Program, RankClass } from './program.js';
import { baseOf } from './place.js';
import { describedKind, operandRoles, operandsOf } from './kinds.js';

export function printProgram(program: Program): string {
  return program.classes.map((rankClass) => printClass(program, rankClass)).join('\n\n');
}

function printClass(program: Program, rankClass: RankClass): string {
  const { mesh, firstRank } = program.groups[rankClass.group];
  const lines = [
    `class '${rankClass.name}' of ${printMesh(mesh)} from rank ${firstRank}, ${rankClass.members.length} ranks, ` +
      `${program.microbatches} microbatches, arena ${rankClass.arenaBytes} bytes`,
  ];
  for (const template of rankClass.templates) {
    lines.push(`  template ${template.name}:`);
    for (const entry of template.body) {
      if (entry.kind === 'for') lines.push(...printLoop(rankClass, entry));
      else lines.push(`    ${printInstruction(rankClass, entry)}`);
    }
  }
  lines.push('  schedule:', ...wrap(rankClass.schedule.map((step) => `${step.template}(${step.microbatch})`)));
  lines.push('  values:', ...printValues(rankClass));
  return lines.join('\n');
}

const printInstruction = ({ values }: RankClass, instruction: Instruction): string =>
  printAct(
    instruction,
    operandsOf(instruction).map(({ value }) => values[value].name),
    'event' in instruction ? instruction.event : '',
  );

/** An instruction with the names of its operands, in the order of `operandsOf`. */
function printAct(instruction: Instruction, names: readonly string[], event: string): string {
  const roles = operandRoles(instruction);
  const accesses = operandsOf(instruction).map(({ access }) => access);
  const ofRole = (role: 'read' | 'write') =>
    names.flatMap((name, k) => (roles[k] === role ? [`${accesses[k] === 'accumulate' ? '+' : ''}'${name}'`] : []));
  const operands = { reads: ofRole('read'), writes: ofRole('write') };
  return `${instruction.lane}: ${describedKind(instruction).print(instruction, operands, event)}`;
}

/**
 *   for * = 4, 3 .. 0 {        the number of the layer
 *     'blocks.*'               the layer, and 'blocks.*-1' the one whose number is less by one
 *     %{153-9}                 153 in the first iteration, 9 less in each that follows
 *     'a', then 'b%{7+1}'      'a' in the first iteration
 */
function printLoop({ values }: RankClass, loop: Loop): readonly string[] {
  const { times, body } = loop;
  const { first, stride } = layerOf(loop);
  const instructions = iterationsOf(loop);
  const lines = body.map(({ first: instruction }, k) => {
    const iterations = Array.from({ length: times }, (_, i) => instructions[i * body.length + k]);
    const names = operandsOf(instruction).map((_, operand) =>
      printPattern(
        iterations.map((one) => values[operandsOf(one)[operand].value].name),
        { first, stride },
      ),
    );
    const events = iterations.flatMap((one) => ('event' in one ? [one.event] : []));
    return `      ${printAct(instruction, names, events.length > 0 ? printPattern(events, { first, stride }) : '')}`;
  });
  const layers = Array.from({ length: times }, (_, i) => first + i * stride);
  const shown = times <= 3 ? layers.join(', ') : `${layers[0]}, ${layers[1]} .. ${layers[times - 1]}`;
  return [stride === 0 ? `    for ${times} times {` : `    for * = ${shown} {`, ...lines, '    }'];
}

/** The first number that moves in a path or an event of the loop. */
function layerOf({ body }: Loop): Moving {
  for (const { first, strides } of body) {
    for (const [text, moves] of [
      [first.source.path, strides.path],
      ['event' in first ? first.event : '', strides.event],
    ] as const) {
      const k = moves?.findIndex((stride) => stride !== 0) ?? -1;
      if (k >= 0) return { first: parseNumbers(text).numbers[k], stride: moves![k] };
    }
  }
  return { first: 0, stride: 0 };
}

/** Values that differ in numbers of their names alone are one line. */
function printValues({ values }: RankClass): readonly string[] {
  const alike = new Map<string, string[]>();
  for (const [index, { name, type, layout, global, view, lifetime }] of values.entries()) {
    const place = view ? `view of '${withoutNumbers(values[baseOf(values, index)].name)}'` : lifetime;
    const rest = ` : ${printType(type)} ${printLayout(layout, global)} ; ${place}`;
    const key = `${withoutNumbers(name)}${rest}`;
    const names = alike.get(key);
    if (names) names.push(name);
    else alike.set(key, [name]);
  }
  return [...alike].map(([text, names]) => {
    const rest = text.slice(withoutNumbers(names[0]).length);
    return names.length === 1
      ? `    '${names[0]}'${rest}`
      : `    ${names.length} of '${withoutNumbers(names[0])}'${rest}`;
  });
}

const withoutNumbers = (name: string): string => parseNumbers(name).between.join('*');

function wrap(words: readonly string[]): readonly string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < 120) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`    ${word}`);
  }
  return lines;
}
