/**
 * The dataflow of a template: what it computes, whatever its order and addresses. Each definition is one line of text, by value name;
 * the hash of the sorted lines must equal that of the placed section it was made from. The verifier recomputes it from instructions
 * alone, so that no lowering can wire an operand wrongly unseen.
 */
import { hashText } from '../ir/hash.js';
import { printLayout } from '../ir/layout.js';
import { printSplit } from '../ir/layout.js';
import type { Attributes } from '../ir/graph.js';
import type { Assignment } from '../ir/rule.js';
import type { Move } from '../reshard/moves.js';
import type { Instruction, ProgramValue } from './program.js';

export function opLine(
  op: string,
  attributes: Attributes,
  assignment: Assignment,
  inputs: readonly string[],
  outputs: readonly { readonly name: string; readonly accumulates: boolean }[],
): string {
  const splits = Object.entries(assignment.splits)
    .map(([factor, split]) => `${factor}:${printSplit(split)}`)
    .sort();
  const through = Object.entries(assignment.through)
    .map(([axis, set]) => `${axis}>${set}`)
    .sort();
  const results = outputs.map((o) => (o.accumulates ? `${o.name} +` : o.name)).join(', ');
  return `${results} = ${op}${attributesText(attributes)}(${inputs.join(', ')}) {${splits.join(' ')} ${through.join(' ')}}`;
}

export function moveLine(stage: 'pack' | 'collective' | 'unpack', move: Move, input: string, output: string): string {
  return `${output} = ${stage} ${move.kind}[${move.axes.join(' ')}] ${printLayout(move.from)} ${printLayout(move.to)} (${input})`;
}

export function transferLine(
  direction: 'send' | 'receive',
  tag: string,
  value: string,
  peers: readonly (number | null)[],
): string {
  return `${direction} ${tag} (${value}) ${peers.join(' ')}`;
}

export const dataflowHash = (lines: readonly string[]): string => hashText([...lines].sort().join('\n'));

/** The dataflow of instructions: what the verifier compares with {@link Template.dataflow}. */
export function dataflowOf(body: readonly Instruction[], values: readonly ProgramValue[]): string {
  const lines: string[] = [];
  for (const instruction of body) {
    switch (instruction.kind) {
      case 'kernel':
        lines.push(
          opLine(
            instruction.op,
            instruction.attributes,
            instruction.assignment,
            instruction.inputs.map((o) => values[o.value].name),
            instruction.outputs.map((o) => ({ name: values[o.value].name, accumulates: o.access === 'accumulate' })),
          ),
        );
        break;
      case 'pack':
      case 'unpack':
      case 'collective':
        lines.push(
          moveLine(
            instruction.kind,
            instruction.move,
            values[instruction.input.value].name,
            values[instruction.output.value].name,
          ),
        );
        break;
      case 'send':
      case 'receive':
        lines.push(
          transferLine(instruction.kind, instruction.tag, values[instruction.operand.value].name, instruction.peers),
        );
        break;
      default:
        break;
    }
  }
  return dataflowHash(lines);
}

function attributesText(attributes: Attributes): string {
  const keys = Object.keys(attributes).sort();
  return keys.length === 0 ? '' : `{${keys.map((key) => `${key}=${String(attributes[key])}`).join(' ')}}`;
}
