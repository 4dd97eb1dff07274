/**
 * The kinds of instructions, each described once: what its fields are, where it runs, what its results mean, what is printed. Loops,
 * folding, printer, memory planner and verifier read this table. A new kind is added here and in both engines, and where the verifier
 * says which layouts it takes (`verify/placements.ts`).
 */
import { laneAlong, transferLane } from './lane.js';
import type { GraphValue, Instruction, Lane, Operand, ValueIndex } from './program.js';

export type Kind = Instruction['kind'];

/** The instruction of a kind. */
export type InstructionOf<K extends Kind, I = Instruction> = I extends { readonly kind: infer L }
  ? K extends L
    ? I
    : never
  : never;

/**
 * read, write: an operand, or a list of them. workspace: the value in which it works. text: its numbers move from layer to layer. tag: so does its
 * value's number. columns: attributes, whose single numbers may be others in each layer. same: equal in all layers.
 */
type FieldRole = 'read' | 'write' | 'workspace' | 'text' | 'tag' | 'columns' | 'same';

/** Names of operands, or patterns of them, by role. */
export interface PrintedOperands {
  readonly reads: readonly string[];
  readonly writes: readonly string[];
}

interface KindDescription<I extends Instruction> {
  /** Every field. Operands count in this order: reads first, a workspace last. */
  readonly fields: Readonly<Record<Exclude<keyof I, 'kind' | 'lane' | 'source'>, FieldRole>>;
  /** The lane it must be on; null: any. */
  readonly lane: (instruction: I) => Lane | null;
  /** True where its result is the value that its operand is, elsewhere or in another layout. */
  readonly moves: boolean;
  /** True where it waits for other ranks. */
  readonly meets: boolean;
  /** In a few words, for messages. */
  readonly title: (instruction: I) => string;
  /** As a page prints it; `event` may be a pattern. */
  readonly print: (instruction: I, operands: PrintedOperands, event: string) => string;
}

const computed = { lane: (): Lane => 'compute', meets: false };

const rearranges: KindDescription<InstructionOf<'pack'>> = {
  ...computed,
  fields: { move: 'same', global: 'same', input: 'read', output: 'write' },
  moves: true,
  title: ({ kind, move }) => `${kind} of ${move.kind}`,
  print: printMove,
};

const tile: KindDescription<InstructionOf<'pack_tile'>> = {
  ...computed,
  fields: { edge: 'same', message: 'same', input: 'read', output: 'write' },
  moves: true,
  title: ({ kind, message }) => `${kind} ${message}`,
  print: ({ kind, message }, { reads, writes }) => `${writes[0]} = ${kind} ${message}(${reads[0]})`,
};

const transfer: Omit<KindDescription<InstructionOf<'send'>>, 'fields'> = {
  lane: transferLane,
  moves: false,
  meets: true,
  title: ({ kind, tag }) => `${kind} ${printTag(tag)}`,
  print: ({ kind, peers }, { reads, writes }) => `${kind} ${[...reads, ...writes].join(' ')} with [${peers.join(' ')}]`,
};
const message = { edge: 'same', message: 'same', peers: 'same', tag: 'tag' } as const;

const orders: KindDescription<InstructionOf<'signal'>> = {
  fields: { event: 'text', each: 'same' },
  lane: () => null,
  moves: false,
  meets: false,
  title: ({ kind, event }) => `${kind} '${event}'`,
  print: ({ kind, each }, _, event) => `${kind} '${event}'${each ? ' of its microbatch' : ''}`,
};

const kinds: { readonly [K in Kind]: KindDescription<InstructionOf<K>> } = {
  kernel: {
    ...computed,
    fields: {
      op: 'same',
      rule: 'same',
      assignment: 'same',
      attributes: 'columns',
      kernel: 'same',
      inputs: 'read',
      outputs: 'write',
      scratch: 'workspace',
    },
    moves: false,
    title: ({ op }) => op,
    print: ({ op, kernel: { id } }, { reads, writes }) =>
      `${writes.join(', ')} = ${op}(${reads.join(', ')})${id === op ? '' : ` by ${id}`}`,
  },
  pack: rearranges,
  unpack: rearranges,
  fill: {
    ...computed,
    fields: { move: 'same', global: 'same', output: 'write' },
    moves: false,
    title: ({ move }) => `fill of ${move.kind}`,
    print: ({ move }, { writes }) => `${writes[0]} = fill ${move.kind} {axes=[${move.axes.join(' ')}]}`,
  },
  collective: {
    fields: {
      move: 'same',
      global: 'same',
      axes: 'same',
      reduction: 'same',
      input: 'read',
      output: 'write',
      scratch: 'workspace',
    },
    lane: ({ axes }) => laneAlong(axes),
    moves: true,
    meets: true,
    title: ({ move }) => move.kind,
    print: printMove,
  },
  pack_tile: tile,
  unpack_tile: tile,
  send: { ...transfer, fields: { ...message, operand: 'read' } },
  receive: { ...transfer, fields: { ...message, operand: 'write' } },
  signal: orders,
  wait: orders,
};

function printMove(
  { kind, move }: InstructionOf<'pack'> | InstructionOf<'collective'>,
  { reads, writes }: PrintedOperands,
): string {
  return `${writes[0]} = ${kind} ${move.kind} {axes=[${move.axes.join(' ')}]}(${reads[0]})`;
}

/** An instruction in a few words. */
export const titleOf = (instruction: Instruction): string => describedKind(instruction).title(instruction);

/** What the table says of an instruction's kind. */
export const describedKind = <I extends Instruction>({ kind }: I): KindDescription<I> =>
  kinds[kind] as unknown as KindDescription<I>;

type Field = readonly [name: string, role: FieldRole];
type OperandRole = 'read' | 'write' | 'workspace';

/** The fields of each kind that hold operands, and the others. */
const fieldsByKind = new Map(
  Object.entries(kinds).map(([kind, { fields }]) => {
    const all = Object.entries(fields) as readonly Field[];
    const isOperand = ([, role]: Field) => role === 'read' || role === 'write' || role === 'workspace';
    return [kind, { operands: all.filter(isOperand), others: all.filter((field) => !isOperand(field)) }] as const;
  }),
);

export const kindNames = Object.keys(kinds) as readonly Kind[];

/** Every field of a kind, but for its lane and its source. */
export const fieldNames = (kind: Kind): readonly string[] => Object.keys(kinds[kind].fields);

/** What stands in a field of operands. */
type Held = Operand | readonly Operand[] | ValueIndex | null;
const fieldOf = (instruction: Instruction, name: string): unknown =>
  (instruction as unknown as Readonly<Record<string, unknown>>)[name];

/** The operands of an instruction, reads first, a workspace last. */
export function operandsOf(instruction: Instruction): readonly Operand[] {
  const operands: Operand[] = [];
  for (const [name] of fieldsByKind.get(instruction.kind)!.operands) {
    const held = fieldOf(instruction, name) as Held;
    if (typeof held === 'number') operands.push({ value: held, access: 'write' });
    else if (Array.isArray(held)) operands.push(...(held as readonly Operand[]));
    else if (held !== null) operands.push(held as Operand);
  }
  return operands;
}

/** The role in which each of `operandsOf` stands, whatever its access says. */
export const operandRoles = (instruction: Instruction): readonly OperandRole[] =>
  fieldsByKind.get(instruction.kind)!.operands.flatMap(([name, role]) => {
    const held = fieldOf(instruction, name) as Held;
    return held === null ? [] : Array.isArray(held) ? held.map(() => role as OperandRole) : [role as OperandRole];
  });

/** The same instruction on other values: `change` gets each operand, and its place among `operandsOf`. */
export function withOperands<I extends Instruction>(
  instruction: I,
  change: (operand: Operand, place: number) => ValueIndex,
): I {
  const changed: Record<string, Held> = {};
  let place = 0;
  const next = (operand: Operand): Operand => ({ ...operand, value: change(operand, place++) });
  for (const [name] of fieldsByKind.get(instruction.kind)!.operands) {
    const held = fieldOf(instruction, name) as Held;
    if (typeof held === 'number') changed[name] = next({ value: held, access: 'write' }).value;
    else changed[name] = Array.isArray(held) ? (held as readonly Operand[]).map(next) : held && next(held as Operand);
  }
  return { ...instruction, ...changed };
}

/** As which value a message lands, for people. */
export const printTag = ({ graph, value }: GraphValue): string => `%${value} of the ${graph}`;

/** What else it is: fields that are the same in all layers, and attributes. */
export const otherFields = (instruction: Instruction, role: 'same' | 'columns'): readonly unknown[] =>
  fieldsByKind
    .get(instruction.kind)!
    .others.flatMap(([name, other]) => (other === role ? [fieldOf(instruction, name)] : []));
