/** What the IR refuses. */
import { defineDiagnostic, nearest } from './diagnostic.js';
import type { OpCall } from './op.js';
import { printType } from './type.js';

export const unknownAxis = defineDiagnostic('ir/unknown-axis', (p: { axis: string; has: readonly string[] }) => {
  const near = nearest(p.axis, p.has);
  return {
    what: `the mesh has no axis '${p.axis}'`,
    why: `its axes are [${p.has.join(' ')}]`,
    fix: near ? `write '${near}'` : 'name one of those, or ask whether the mesh has the axis',
  };
});

export const bindingMismatch = defineDiagnostic(
  'ir/binding-mismatch',
  (p: { op: string; operand: string; letter: string | null; call: OpCall }) => ({
    what: `${p.op} does not fit its operand '${p.operand}'${p.letter ? ` at '${p.letter}'` : ''}`,
    why: `its operands are ${p.call.operands.map((type, i) => `${printType(type)} as [${p.call.names[i].join(' ')}]`).join(', ')}`,
    fix: 'give operands whose shared factors have equal sizes, in the order of the signature',
  }),
);

export const sizeMismatch = defineDiagnostic(
  'ir/size-mismatch',
  (p: { op: string; factor: string; sizes: readonly [number, number] }) => ({
    what: `${p.op} meets '${p.factor}' with two sizes, ${p.sizes[0]} and ${p.sizes[1]}`,
    why: 'factors of one name are one factor within an op',
    fix: `make the sizes agree, or rename one factor`,
  }),
);

export const noSuchFactor = defineDiagnostic(
  'ir/no-such-factor',
  (p: { op: string; factor: string; has: readonly string[]; path: string }) => ({
    what: `${p.op} names the factor '${p.factor}', which its operand lacks`,
    why: `the operand has [${p.has.join(' ')}]`,
    where: [{ at: p.path || 'model' }],
    fix: 'name one of those',
  }),
);

export const noGradient = defineDiagnostic('ir/no-gradient', (p: { op: string; path: string }) => ({
  what: `${p.op} has no backward, yet a gradient flows to it`,
  where: [{ at: p.path || 'model' }],
  fix: `keep it off the path from parameters to the loss, or declare a backward in ops/${p.op}.ts`,
}));

export const wrongDtype = defineDiagnostic(
  'ir/wrong-dtype',
  (p: { op: string; operand: string; wants: string; dtype: string }) => ({
    what: `${p.op} wants its operand '${p.operand}' to be ${p.wants}, and it is ${p.dtype}`,
    fix: 'cast it',
  }),
);

export const residualRead = defineDiagnostic(
  'ir/residual-read',
  (p: { op: string; residual: string; reader: string; path: string }) => ({
    what: `${p.reader} reads '${p.residual}', which ${p.op} keeps for its own backward`,
    why: `a residual has no cotangent: a gradient through it would be lost without a word`,
    where: [{ at: p.path || 'model' }],
    fix: 'compute the quantity from ordinary ops where a loss or the model needs it',
  }),
);

export const wrongOperands = defineDiagnostic(
  'ir/wrong-operands',
  (p: { op: string; wants: readonly string[]; given: number; path: string }) => ({
    what: `${p.op} wants ${p.wants.length === 0 ? 'no operands' : `the operands ${p.wants.join(', ')}`}, and is given ${p.given}`,
    where: [{ at: p.path || 'model' }],
    fix: 'give one tensor for each, in that order',
  }),
);
