/** `defineOp`: a fused op from its signature, decomposition and backward. The form is shown whole in `ops/softmax_cross_entropy.ts`. */
import { kindsOf, type AttributeKinds } from './attributes.js';
import type { Attributes } from './graph.js';
import {
  cotangentName,
  sizesOfBlock,
  type BackwardTensors,
  type OpCall,
  type BoundOp,
  type OpDefinition,
  type OpExample,
  type OperandTensors,
  type Ranges,
  type ResultTensors,
  type Sizes,
} from './op.js';
import { optionalOperands, signatureGiven, withForms } from './optional_operands.js';
import type { OpRule } from './rule.js';
import {
  bindLetters,
  bindSignature,
  checkLetters,
  markOf,
  parseSignature,
  type BindOptions,
  type MarkText,
  type Pair,
  type Signature,
  type SignatureSlot,
} from './signature.js';
import { Tensor } from './tensor.js';
import { product, type FactorName } from './type.js';

/** A fused op as its file states it. */
export interface FusedOp {
  readonly name: string;
  readonly signature: string;
  /** Sets of operand names in which the forward op is jointly linear. */
  readonly linear?: readonly (readonly string[])[];
  /**
   * Two letters whose blocks meet in pairs where the attribute `parts` is not 0: of so many even parts of each, part i of the first letter
   * meets part i + `turn` of the second, and no other.
   */
  readonly paired?: readonly [string, string];
  /** Attributes and their defaults. */
  readonly attributes?: Attributes;
  /** Kinds of attributes, where a default does not say all: that a rate is a share. */
  readonly attributeKinds?: AttributeKinds;
  decompose(operands: OperandTensors, attributes: Attributes): ResultTensors;
  /** Floating-point operations from sizes by letter. */
  flops(sizes: Sizes, attributes: Attributes): number;
  /** Of a block, where its place decides how much of it is computed: sizes by letter, and where it lies. */
  flopsAt?(sizes: Sizes, place: BlockPlace, attributes: Attributes): number;
  readonly backward?: FusedBackward;
  readonly example?: OpExample;
  readonly summary?: string;
}

export interface FusedBackward {
  /** Operands, results and cotangents (`dLoss`) that the backward reads: what must stay alive. */
  readonly reads: readonly string[];
  /** Results: one `d<Operand>` for each operand that has a gradient. */
  decompose(operands: OperandTensors, attributes: Attributes): ResultTensors;
  /** Marks of letters of which its kernel needs less than the forward's: `{ v: '@!' }`. */
  readonly marks?: Readonly<Record<string, MarkText>>;
  /** Names of the cotangents it gives, `dLogits`; the default is one for every operand of class float. */
  readonly gives?: readonly string[];
  flops(sizes: Sizes, attributes: Attributes): number;
  flopsAt?(sizes: Sizes, place: BlockPlace, attributes: Attributes): number;
}

/** Where a block of an op lies. */
export interface BlockPlace {
  readonly rule: OpRule;
  readonly block: Ranges;
}

/** An op and, where it has one, its backward op: both go into the registry. */
export interface DefinedOps {
  readonly forward: OpDefinition;
  readonly backward: OpDefinition | null;
}

export function defineOp(op: FusedOp): DefinedOps {
  const signature = parseSignature(op.signature);
  const optional = optionalOperands(signature);
  if (optional.length === 0) return defineForm(op, signature);
  return withForms(op.name, optional, {
    signatures: {
      forward: signature,
      backward: op.backward ? backwardSignature(op, signature, op.backward) : null,
    },
    form(given) {
      const isThere = (name: string) => !optional.includes(name) || given.includes(name);
      const backward = op.backward && { ...op.backward, reads: op.backward.reads.filter(isThere) };
      const attributeKinds = { ...op.attributeKinds, given: 'words?' } as const;
      return defineForm({ ...op, attributeKinds, backward }, signatureGiven(signature, given));
    },
  });
}

/** An op of one signature. */
function defineForm(op: FusedOp, signature: Signature): DefinedOps {
  const backward = op.backward ? defineBackward(op, signature, op.backward) : null;
  const bind = (call: OpCall) => {
    checkLetters(op.name, signature, call);
    return bindSignature(op.name, signature, call, { linear: op.linear ?? [], paired: pairOf(op, call.attributes) });
  };
  const forward: OpDefinition = {
    name: op.name,
    operands: signature.operands.map((slot) => slot.name),
    results: signature.results.map((slot) => slot.name),
    residuals: residualsOf(signature, op.backward),
    ...(backward && { backwardOp: backward.name }),
    attributes: op.attributes,
    attributeKinds: kindsOfFused(op),
    signature,
    bind,
    decompose: (operands, attributes) => decomposed(op.name, signature, bind, op.decompose, operands, attributes),
    flops: (rule, sizes, attributes) => op.flops(letterSizes(rule, sizes), attributes),
    ...placedFlops(op),
    backward: op.backward && ((tensors, attributes) => applyBackward(op, signature, op.backward!, tensors, attributes)),
    example: op.example,
    summary: op.summary,
  };
  return { forward, backward };
}

function placedFlops({ flopsAt }: Pick<FusedOp, 'flopsAt'>): Pick<OpDefinition, 'flopsAt'> {
  if (!flopsAt) return {};
  return {
    flopsAt: (rule, block, attributes) => flopsAt(letterSizes(rule, sizesOfBlock(block)), { rule, block }, attributes),
  };
}

const kindsOfFused = ({ attributes = {}, attributeKinds }: FusedOp): AttributeKinds => ({
  ...kindsOf(attributes),
  ...attributeKinds,
  letters: 'words?',
});

/** A decomposition whose results have the types, names and order that the op declares. */
function decomposed(
  name: string,
  signature: Signature,
  bind: (call: OpCall) => BoundOp,
  decompose: FusedOp['decompose'],
  operands: OperandTensors,
  attributes: Attributes,
): ResultTensors {
  const list = signature.operands.map((slot) => operands[slot.name]);
  const bound = bind({ operands: list.map((t) => t.type), names: list.map((t) => t.names), attributes });
  const results = decompose(scoped(name, signature, operands, attributes), attributes);
  return Object.fromEntries(
    signature.results.map((slot, i) => {
      const result = results[slot.name];
      if (!result) throw new Error(`${name}: its decomposition does not give '${slot.name}'`);
      return [slot.name, result.transpose(bound.rule.results[i]).exactly(bound.results[i].dtype)];
    }),
  );
}

/** The letters that are split together, under these attributes. */
function pairOf({ paired }: FusedOp, { parts = 0, turn = 0 }: Attributes): Pair | undefined {
  return paired && parts !== 0 ? { letters: paired, parts: parts as number, turn: turn as number } : undefined;
}

const backwardName = ({ name }: FusedOp): string => `${name}_backward`;

/** Results whose cotangent the backward does not read. */
function residualsOf(signature: Signature, backward: FusedBackward | undefined): readonly string[] {
  if (!backward) return [];
  return signature.results.map((slot) => slot.name).filter((name) => !backward.reads.includes(cotangentName(name)));
}

/** The signature of the backward op: what it reads, and a cotangent for each float operand, shaped like the operand. */
function backwardSignature(op: FusedOp, signature: Signature, backward: FusedBackward): Signature {
  const byName = new Map<string, SignatureSlot>();
  for (const slot of [...signature.operands, ...signature.results]) byName.set(slot.name, slot);
  for (const slot of signature.results)
    byName.set(cotangentName(slot.name), { ...slot, name: cotangentName(slot.name) });
  const operands = backward.reads.map((name) => {
    const slot = byName.get(name);
    if (!slot) throw new Error(`${op.name}: backward reads '${name}', which is no operand, result or cotangent`);
    return slot;
  });
  return { operands, results: gradients(signature, backward), marks: backwardMarks(signature, backward) };
}

const backwardMarks = ({ marks }: Signature, { marks: own = {} }: FusedBackward): Signature['marks'] =>
  new Map([...marks, ...Object.entries(own).map(([letter, text]) => [letter, markOf(text)] as const)]);

function gradients(signature: Signature, backward: FusedBackward): SignatureSlot[] {
  const all = signature.operands
    .filter((slot) => slot.class === 'float' || slot.class === 'f32')
    .map((slot) => ({ ...slot, name: cotangentName(slot.name) }));
  return backward.gives ? all.filter((slot) => backward.gives!.includes(slot.name)) : all;
}

function defineBackward(op: FusedOp, forward: Signature, backward: FusedBackward): OpDefinition {
  const name = backwardName(op);
  const signature = backwardSignature(op, forward, backward);
  const cotangents = forward.results.map((slot) => cotangentName(slot.name));
  const linear = [backward.reads.filter((read) => cotangents.includes(read))];
  const bind = (call: OpCall) =>
    bindBackward(name, signature, forward, call, { linear, paired: pairOf(op, call.attributes) });
  return {
    name,
    operands: backward.reads,
    results: signature.results.map((slot) => slot.name),
    attributeKinds: { ...kindsOfFused(op), dtypes: 'words?' },
    signature,
    bind,
    decompose: (operands, attributes) => decomposed(name, signature, bind, backward.decompose, operands, attributes),
    flops: (rule, sizes, attributes) => backward.flops(letterSizes(rule, sizes), attributes),
    ...placedFlops(backward),
  };
}

/** A cotangent has the element type of the operand that it belongs to: the attribute `dtypes` says which, where it is not read. */
function bindBackward(name: string, signature: Signature, forward: Signature, call: OpCall, options: BindOptions) {
  const bound = bindSignature(name, signature, call, options);
  const given = (call.attributes.dtypes ?? []) as readonly string[];
  const results = bound.results.map((type, i) => {
    const operand = forward.operands.findIndex((slot) => cotangentName(slot.name) === signature.results[i].name);
    return given[operand] ? { ...type, dtype: given[operand] as typeof type.dtype } : type;
  });
  return { rule: bound.rule, results };
}

function applyBackward(
  op: FusedOp,
  signature: Signature,
  backward: FusedBackward,
  tensors: BackwardTensors,
  attributes: Attributes,
): Readonly<Record<string, Tensor | null>> {
  const operandTensors = signature.operands.map((slot) => tensors[slot.name]);
  const letters = bindLetters(op.name, signature, {
    operands: operandTensors.map((t) => t.type),
    names: operandTensors.map((t) => t.names),
    attributes,
  });
  const builder = operandTensors[0].builder;
  const zeros = (result: Tensor) => builder.fill(0, result.dtype, result.factors);
  const results = new Map(signature.results.map((slot) => [cotangentName(slot.name), slot.name]));
  const reads = backward.reads.map((name) => tensors[name] ?? zeros(tensors[results.get(name)!]));
  const made = builder.apply(backwardName(op), reads, {
    ...attributes,
    // Letters are bound by the forward's operands, which the backward may not read: say them.
    letters: [...letters].map(([letter, factors]) => `${letter}=${factors.map((f) => f.name).join(' ')}`),
    dtypes: operandTensors.map((t) => t.dtype),
  });
  return Object.fromEntries(gradients(signature, backward).map((slot, i) => [slot.name, made[i]]));
}

/** Operands as a decomposition sees them: by letters, and under the names that the letters bind to. */
function scoped(
  name: string,
  signature: Signature,
  operands: OperandTensors,
  attributes: Attributes,
): Readonly<Record<string, Tensor>> {
  const list = signature.operands.map((slot) => operands[slot.name]);
  const letters = bindLetters(name, signature, {
    operands: list.map((t) => t.type),
    names: list.map((t) => t.names),
    attributes,
  });
  return Object.fromEntries(
    signature.operands.map((slot, i) => {
      const names = slot.letters.flatMap((letter) => letters.get(letter)!.map((f) => f.name));
      return [slot.name, new Tensor(list[i].builder, list[i].id, names, letters)];
    }),
  );
}

/** Sizes by letter, from sizes by factor. Of a tied factor it is what one element of the other meets: a part. */
function letterSizes(rule: OpRule, sizes: Sizes): Sizes {
  const met = (name: FactorName) => {
    const { tied } = rule.factors[name];
    if (!tied) return sizes[name];
    const { size, parts = 1 } = rule.factors[tied.to];
    return sizes[name] / Math.max(1, Math.round((sizes[tied.to] * parts) / size));
  };
  return Object.fromEntries(Object.entries(rule.letters).map(([letter, names]) => [letter, product(names.map(met))]));
}
