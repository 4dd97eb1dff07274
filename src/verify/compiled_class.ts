/**
 * A class as the verifier walks it: templates with lanes and events by number, operands as ranges of bytes.
 *
 * A view made by an op is bytes of the value that it is made of: reading it reads that value, whole. A bucket is the values that lie in
 * it: reading or writing it reads or writes each. Any other value is a run of bytes of its own, which may share the address of another.
 */
import type { Place } from '../ir/diagnostic.js';
import type { Source } from '../ir/graph.js';
import type { Mesh } from '../ir/mesh.js';
import { bytesOf } from '../ir/type.js';
import { fills } from '../reshard/lower.js';
import { messagesOfAll } from '../program/edges.js';
import { baseOf, placeOf } from '../program/place.js';
import type {
  EventInstruction,
  Access,
  Instruction,
  Lane,
  Program,
  RankClass,
  ScheduleStep,
  GroupEdge,
  Template,
  ValueIndex,
} from '../program/program.js';
import { operandsOf, titleOf } from '../program/kinds.js';
import { ranksOf } from '../program/ranks.js';
import { instructionsOf } from '../program/unroll.js';
import { describeLine, describeMembers } from './describe.js';

export interface ByteAccess {
  /** The value whose bytes these are: what an instruction wrote there; of a bucket one of its parts. */
  readonly source: ValueIndex;
  /** The value the instruction names: `source`, or a view made of it. */
  readonly value: ValueIndex;
  readonly access: Access;
  /** The buffer, whose address the schedule gives, and the run within it. */
  readonly base: ValueIndex;
  readonly offset: number;
  readonly bytes: number;
}

/** Part of a block: a tile of several, or the neutral elements under what a move brings. */
export interface Piece {
  readonly of: 'tiles' | 'parts';
  readonly index: number;
  readonly count: number;
  /** It overwrites the others: they come after it. */
  readonly first: boolean;
}

export interface CompiledInstruction {
  readonly instruction: Instruction;
  readonly template: Template;
  /** Position in the template. */
  readonly index: number;
  /** Index in {@link CompiledClass.lanes}. */
  readonly lane: number;
  /** Number of the event of a signal or wait, of the first microbatch where each has one; -1 elsewhere. */
  readonly event: number;
  /** Reads first. */
  readonly accesses: readonly ByteAccess[];
  /** What it writes is whole with the others alone. */
  readonly piece: Piece | null;
}

export interface CompiledClass {
  readonly rankClass: RankClass;
  readonly mesh: Mesh;
  /** Global ranks of its members. */
  readonly ranks: readonly number[];
  readonly lanes: readonly Lane[];
  readonly templates: ReadonlyMap<string, readonly CompiledInstruction[]>;
  /** Text of each step of the schedule. */
  readonly steps: readonly { readonly step: ScheduleStep; readonly body: readonly CompiledInstruction[] }[];
  readonly microbatches: number;
  readonly groups: Program['groups'];
}

export function compileClass(program: Program, rankClass: RankClass): CompiledClass {
  const { mesh } = program.groups[rankClass.group];
  const { values } = rankClass;
  const lanes: Lane[] = [];
  const laneOf = numbering(lanes);
  const eventOf = eventNumbers(program.microbatches);
  const messages = messagesOfAll(program.groups, rankClass.members);
  // Of the class's ranks, where most tiles fill the block.
  const tilesOf = (edge: GroupEdge) => messages(edge, 'incoming').reduce((n, list) => Math.max(n, list.length), 0);
  const places = new Map<ValueIndex, ReturnType<typeof bytesAt>>();
  const placeOf = (value: ValueIndex) => {
    const known = places.get(value);
    if (known) return known;
    const place = bytesAt(values, value);
    places.set(value, place);
    return place;
  };
  const accessesOf = (instruction: Instruction): readonly ByteAccess[] => {
    const accesses: ByteAccess[] = [];
    for (const { value, access } of operandsOf(instruction)) {
      for (const part of values[value].parts ?? [value]) {
        const { source, base, offset, bytes } = placeOf(part);
        accesses.push({ source, base, offset, bytes, value, access });
      }
    }
    return accesses;
  };
  const compile = (template: Template): readonly CompiledInstruction[] =>
    instructionsOf(template).map((instruction, index) => ({
      instruction,
      template,
      index,
      lane: laneOf(instruction.lane),
      event: instruction.kind === 'signal' || instruction.kind === 'wait' ? eventOf(instruction) : -1,
      accesses: accessesOf(instruction),
      piece: pieceOf(instruction, rankClass.members, tilesOf),
    }));
  const templates = new Map(rankClass.templates.map((template) => [template.name, compile(template)]));
  return {
    rankClass,
    mesh,
    ranks: ranksOf(program.groups, rankClass),
    lanes,
    templates,
    steps: rankClass.schedule.map((step) => ({ step, body: templates.get(step.template)! })),
    microbatches: program.microbatches,
    groups: program.groups,
  };
}

/** The number of the event that a signal or wait means in a step of the schedule. */
export const eventAt = ({ event, instruction }: CompiledInstruction, microbatch: number): number =>
  'each' in instruction && instruction.each ? event + microbatch : event;

/** Events by number: as many for one that each microbatch has as there are microbatches. */
function eventNumbers(microbatches: number): (instruction: EventInstruction) => number {
  const known = new Map<string, number>();
  let next = 0;
  return ({ event, each }) => {
    const key = `${event} ${each}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    known.set(key, next);
    next += each ? microbatches : 1;
    return known.get(key)!;
  };
}

function pieceOf(
  instruction: Instruction,
  members: RankClass['members'],
  tilesOf: (edge: GroupEdge) => number,
): Piece | null {
  switch (instruction.kind) {
    case 'unpack_tile':
      return { of: 'tiles', index: instruction.message, count: tilesOf(instruction.edge), first: false };
    case 'fill':
      return { of: 'parts', index: 0, count: 2, first: true };
    case 'unpack':
      return fills(instruction.move, members) ? { of: 'parts', index: 1, count: 2, first: false } : null;
    default:
      return null;
  }
}

/** The value an instruction wrote that holds a value's elements: the end of the chain of views that ops made. */
export function sourceOf(values: RankClass['values'], value: ValueIndex): ValueIndex {
  for (let view = values[value].view; view?.made; view = values[value].view) value = madeFrom(values, value);
  return value;
}

/** The operand that a view made by an op shows. */
export function madeFrom(values: RankClass['values'], value: ValueIndex): ValueIndex {
  const { made, of } = values[value].view!;
  return made!.inputs.find((input) => baseOf(values, input) === of) ?? made!.inputs[0];
}

/** Where the bytes lie that hold a value: those of the value that an instruction wrote. */
export function bytesAt(
  values: RankClass['values'],
  value: ValueIndex,
): { readonly source: ValueIndex; readonly base: ValueIndex; readonly offset: number; readonly bytes: number } {
  const source = sourceOf(values, value);
  const { base, offset } = placeOf(values, source);
  return { source, base, offset, bytes: bytesOf(values[source].type) };
}

/** An instruction, of a microbatch where it is one launch that is meant. */
export function describe({ template, index, instruction }: CompiledInstruction, microbatch?: number): string {
  const { lane, source } = instruction;
  const of = partOf(source);
  return describeLine({ template: template.name, index, title: titleOf(instruction), lane, of }, microbatch);
}

/** The places of a diagnostic, written where there is one: most of what is asked about is sound. */
export type Places = () => readonly Place[];

/** The part of the model that an instruction serves, and the direction. */
export const partOf = ({ path, phase }: Source): string => (path ? `${path} ${phase}` : '');

/** The places of a diagnostic: the instruction on its class of ranks, and others that it concerns. */
export function placesOf(
  compiled: CompiledClass,
  at: CompiledInstruction,
  microbatch?: number,
  others: readonly Place[] = [],
): readonly Place[] {
  return [{ at: describe(at, microbatch), note: describeRanks(compiled) }, ...others];
}

export const describeRanks = ({ rankClass, ranks }: CompiledClass): string => describeMembers(rankClass.name, ranks);

/** Numbers for keys, from 0, in order of first use; `keys` collects them. */
function numbering<T>(keys: T[]): (key: T) => number {
  const numbers = new Map<T, number>();
  return (key) => {
    let number = numbers.get(key);
    if (number === undefined) {
      number = keys.push(key) - 1;
      numbers.set(key, number);
    }
    return number;
  };
}
