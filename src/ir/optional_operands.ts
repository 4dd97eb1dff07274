/** Operands that a call may do without: the op of each set of them. The grammar stands in `op.ts`. */
import { wrongAttribute } from './diagnostics.js';
import type { DefinedOps } from './define_op.js';
import type { Attributes } from './graph.js';
import type { OpDefinition, OptionalOperands } from './op.js';
import type { Signature } from './signature.js';

export const optionalOperands = ({ operands }: Signature): readonly string[] =>
  operands.filter(({ optional }) => optional).map(({ name }) => name);

/** The signature of calls that give these of the optional operands. */
export function signatureGiven(signature: Signature, given: readonly string[]): Signature {
  const operands = signature.operands
    .filter(({ name, optional }) => !optional || given.includes(name))
    .map(({ name, class: kind, letters }) => ({ name, class: kind, letters }));
  const letters = new Set(operands.flatMap((slot) => slot.letters));
  return { ...signature, operands, marks: new Map([...signature.marks].filter(([letter]) => letters.has(letter))) };
}

interface Forms {
  /** With all operands. */
  readonly signatures: { readonly forward: Signature; readonly backward: Signature | null };
  /** The op with these of the optional ones. */
  form(given: readonly string[]): DefinedOps;
}

/** An op whose operands, results and functions are those of a call without optional operands, but that asks the call's attributes. */
export function withForms(op: string, optional: readonly string[], { signatures, form }: Forms): DefinedOps {
  const made = new Map<string, DefinedOps>();
  const formOf = ({ given = [] }: Attributes): DefinedOps => {
    const key = String(given);
    const known = made.get(key) ?? form(namesIn(op, optional, given));
    made.set(key, known);
    return known;
  };
  const bare = formOf({});
  return {
    forward: asking(bare.forward, {
      signature: signatures.forward,
      form: (attributes) => formOf(attributes).forward,
    }),
    backward:
      bare.backward &&
      asking(bare.backward, {
        signature: signatures.backward!,
        form: (attributes) => formOf(attributes).backward!,
      }),
  };
}

/** The operands that `given` names. Throws where it is no list of optional ones in their order. */
function namesIn(op: string, optional: readonly string[], given: Attributes[string]): readonly string[] {
  const names = Array.isArray(given) ? (given as readonly string[]) : [];
  if (Array.isArray(given) && names.join() === optional.filter((name) => names.includes(name)).join()) return names;
  const wants = `a list of ${optional.join(', ')}, in this order`;
  throw wrongAttribute({ op, attribute: 'given', wants, value: given, path: '' });
}

const asking = (bare: OpDefinition, optional: OptionalOperands): OpDefinition => ({
  ...bare,
  optional,
  bind: (call) => optional.form(call.attributes).bind(call),
  decompose: (operands, attributes) => optional.form(attributes).decompose!(operands, attributes),
  flops: (rule, sizes, attributes) => optional.form(attributes).flops(rule, sizes, attributes),
  ...(bare.flopsAt && {
    flopsAt: (rule, block, attributes) => optional.form(attributes).flopsAt!(rule, block, attributes),
  }),
  ...(bare.backward && {
    backward: (tensors, attributes) => optional.form(attributes).backward!(tensors, attributes),
  }),
});
