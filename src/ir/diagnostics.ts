/** What the IR refuses. */
import { defineDiagnostic, nearest } from './diagnostic.js';
import type { AttributeValue } from './graph.js';
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

export const notTogether = defineDiagnostic(
  'ir/not-together',
  (p: { op: string; factors: readonly [string, string]; has: readonly string[] }) => ({
    what: `${p.op} makes one factor of '${p.factors[0]}' and '${p.factors[1]}', and its operand is [${p.has.join(' ')}]`,
    why: 'the second follows the first in memory, element by element',
    fix: 'transpose the operand first, so that the second stands behind the first',
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

export const maskNotNumber = defineDiagnostic(
  'ir/mask-not-number',
  (p: { method: string; other: 'tensor' | 'number' | null; path: string }) => {
    const given = p.other === 'tensor' ? 'two tensors of bool' : 'a tensor of bool';
    const call = `a.cast('f32').${p.method}(${p.other === 'tensor' ? 'b' : '…'})`;
    const gives: Readonly<Record<string, string>> = {
      mul: ', 1 where both hold',
      sum: ', how many hold',
      mean: ', the share that holds',
    };
    return {
      what: `${p.method} is given ${given}, and takes numbers`,
      where: [{ at: p.path || 'model' }],
      fix: `write ${call}${p.method === 'mul' && p.other !== 'tensor' ? '' : (gives[p.method] ?? '')}`,
    };
  },
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

export const unknownAttribute = defineDiagnostic(
  'ir/unknown-attribute',
  (p: { op: string; attribute: string; takes: readonly string[]; nearest: string | null; path: string }) => ({
    what: `${p.op} has no attribute '${p.attribute}'`,
    why: p.takes.length === 0 ? `${p.op} takes none` : `it takes ${p.takes.join(', ')}`,
    where: [{ at: p.path || 'model' }],
    fix: p.nearest ? `write '${p.nearest}'` : `leave '${p.attribute}' out`,
  }),
);

export const wrongAttribute = defineDiagnostic(
  'ir/wrong-attribute',
  (p: { op: string; attribute: string; wants: string; value: AttributeValue | undefined; path: string }) => ({
    what: `${p.op} wants its attribute '${p.attribute}' to be ${p.wants}, and it is ${p.value === undefined ? 'not given' : JSON.stringify(p.value)}`,
    where: [{ at: p.path || 'model' }],
    fix: `give ${p.wants}`,
  }),
);

export const unknownLetter = defineDiagnostic(
  'ir/unknown-letter',
  (p: { op: string; letter: string; has: readonly string[] }) => ({
    what: `${p.op} has no letter '${p.letter}', which its attribute 'letters' binds`,
    why: `its signature has the letters ${p.has.join(', ')}`,
    fix: 'bind one of those',
  }),
);

export const operandRepeatsFactor = defineDiagnostic(
  'ir/operand-repeats-factor',
  (p: { op: string; factor: string; names: readonly string[]; path: string }) => ({
    what: `${p.op} is given an operand [${p.names.join(' ')}] that has the factor '${p.factor}' twice`,
    why: 'factors of one name are one factor within an op: this would read a diagonal',
    where: [{ at: p.path || 'model' }],
    fix: `rename one of the two: x.rename({ ${p.factor}: '…' }) renames both, x.as([…]) names each by position`,
  }),
);

export const addressedFactor = defineDiagnostic(
  'ir/addressed-factor',
  (p: { op: string; factor: string; operand: string; has: readonly string[] }) => ({
    what: `${p.op} is addressed by '${p.factor}', which its ${p.operand} ${p.has.includes(p.factor) ? 'has' : 'lacks'}`,
    why: `${p.operand} has [${p.has.join(' ')}]; an id stands for the factors in 'by', so the table alone has those`,
    fix: 'name in `by` factors that the table alone has, or rename one',
  }),
);

export const wrongIds = defineDiagnostic('ir/wrong-ids', (p: { op: string; by: readonly string[]; ids: number }) => ({
  what: `${p.op} is addressed by ${p.by.length === 0 ? 'no factor' : p.by.join(', ')}, and is given ${p.ids} operands of ids`,
  fix: 'give one operand of ids for each factor in `by`, in that order',
}));

export const outOfRange = defineDiagnostic(
  'ir/attribute-out-of-range',
  (p: { op: string; attribute: string; value: number; least: number; most: number }) => ({
    what: `${p.op} has ${p.attribute} = ${p.value}, and here it can be ${p.least} to ${p.most}`,
    fix: `give ${p.attribute} a number from ${p.least} to ${p.most}`,
  }),
);

export const unknownOp = defineDiagnostic(
  'ir/unknown-op',
  (p: { op: string; nearest: string | null; path: string }) => ({
    what: `there is no op named '${p.op}'`,
    where: [{ at: p.path || 'model' }],
    fix: p.nearest ? `write '${p.nearest}'` : 'docs/ops lists them; a graph of existing ops is a function over tensors',
  }),
);
