/**
 * The digest of a class: what its ranks say to others in a step, and in which order. All that the rules between classes read
 * (`meetings.ts`), and nothing else of the class: plain data, which travels between processes.
 *
 * It is the class's own text, each template with its collectives, messages and events alone; operands stand in it by what both sides call
 * them. A digest follows from a class by itself, so that classes may be digested where they are compiled.
 */
import { printLayout } from '../ir/layout.js';
import type { AxisName } from '../ir/mesh.js';
import { printFactors } from '../ir/type.js';
import { printTag, titleOf } from '../program/kinds.js';
import { baseOf } from '../program/place.js';
import type { CollectiveInstruction, Lane, TransferInstruction, ValueIndex } from '../program/program.js';
import { isPerMicrobatch } from '../program/unroll.js';
import { isLocal, printMove } from '../reshard/moves.js';
import { partOf, type CompiledClass, type CompiledInstruction } from './compiled_class.js';

export interface ClassDigest {
  readonly name: string;
  readonly group: number;
  /** Global ranks of its members, in the order in which lines count them. */
  readonly ranks: readonly number[];
  /** Scheduled microbatches a step. */
  readonly microbatches: number;
  readonly lanes: readonly Lane[];
  readonly templates: readonly DigestTemplate[];
  readonly schedule: readonly DigestStep[];
}

export interface DigestTemplate {
  readonly name: string;
  readonly lines: readonly DigestLine[];
}

export interface DigestStep {
  /** Index in {@link ClassDigest.templates}. */
  readonly template: number;
  readonly microbatch: number;
}

export type DigestLine = EventLine | MeetingLine;

/** What is launched with other ranks. */
export type MeetingLine = CollectiveLine | MessageLine;

interface LineBase {
  /** Index in {@link ClassDigest.lanes}. */
  readonly lane: number;
}

export interface EventLine extends LineBase {
  readonly kind: 'signal' | 'wait';
  /** Number of the event, of the first microbatch where each has one. */
  readonly event: number;
  readonly each: boolean;
}

interface MeetingBase extends LineBase {
  /** What both sides must say alike. */
  readonly text: string;
  /** For people: where it stands in its template, what it is, and the part of the model that it serves. */
  readonly index: number;
  readonly title: string;
  readonly of: string;
}

export interface CollectiveLine extends MeetingBase {
  readonly kind: 'collective';
  readonly axes: readonly AxisName[];
}

export interface MessageLine extends MeetingBase {
  readonly kind: 'send' | 'receive';
  /** Whether each microbatch has a value of its own that travels; else a step has one, whichever slots are at its ends. */
  readonly each: boolean;
  /** Global rank of the peer of each member; null: the member has no part in it. */
  readonly peers: readonly (number | null)[];
}

export function digestOf(compiled: CompiledClass): ClassDigest {
  const { rankClass, ranks, microbatches, lanes, steps } = compiled;
  const lineOf = lines(compiled);
  const names = [...compiled.templates.keys()];
  return {
    name: rankClass.name,
    group: rankClass.group,
    ranks,
    microbatches,
    lanes,
    templates: names.map((name) => ({ name, lines: compiled.templates.get(name)!.flatMap(lineOf) })),
    schedule: steps.map(({ step: { template, microbatch } }) => ({ template: names.indexOf(template), microbatch })),
  };
}

/** The line of an instruction; none of one that is the class's own matter. */
function lines(compiled: CompiledClass): (at: CompiledInstruction) => readonly DigestLine[] {
  const { values } = compiled.rankClass;
  const nameOf = blockNames(compiled);
  return ({ instruction, lane, event, index }) => {
    const shown = { index, title: titleOf(instruction), of: partOf(instruction.source) };
    switch (instruction.kind) {
      case 'signal':
      case 'wait':
        return [{ kind: instruction.kind, lane, event, each: instruction.each }];
      case 'collective':
        return [
          { kind: 'collective', lane, axes: instruction.axes, text: collectiveText(instruction, nameOf), ...shown },
        ];
      case 'send':
      case 'receive': {
        const { kind, operand, peers } = instruction;
        const each = isPerMicrobatch(values, baseOf(values, operand.value));
        const text = messageText(instruction, printFactors(values[operand.value].type));
        return [{ kind, lane, each, peers, text, ...shown }];
      }
      default:
        return [];
    }
  };
}

function collectiveText(
  { move, global, axes, reduction, input, output }: CollectiveInstruction,
  nameOf: (value: ValueIndex) => string,
): string {
  const names = `${nameOf(input.value)} -> ${nameOf(output.value)}`;
  return `${printMove(move)} along ${axes.join('*')} by ${reduction ?? 'nothing'} of ${printFactors(global)} (${names})`;
}

function messageText({ tag, edge }: TransferInstruction, buffer: string): string {
  const layouts = `${printLayout(edge.from)} -> ${printLayout(edge.to)}`;
  return `${printTag(tag)} ${buffer} of ${printFactors(edge.global)} ${layouts}`;
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
