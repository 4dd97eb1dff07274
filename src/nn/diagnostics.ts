/** What model code can get wrong, as far as the model front end sees it. */
import { defineDiagnostic } from '../ir/diagnostic.js';

export const parameterOutsideModel = defineDiagnostic(
  'nn/parameter-outside-model',
  (p: { factors: readonly string[]; path: string }) => ({
    what: `forward reads a parameter [${p.factors.join(' ')}] that no field of the model leads to`,
    why: 'it would have no name, no first value and no gradient',
    where: [{ at: p.path || 'model' }],
    fix: 'hold it in a field of a module, or hold its module in a field or an array of modules',
  }),
);

export const tensorOutsideModel = defineDiagnostic('nn/tensor-outside-model', (p: { path: string }) => ({
  what: 'a module was given a tensor that belongs to no traced model',
  why: 'parameters become tensors only while a model is traced',
  where: [{ at: p.path || 'model' }],
  fix: 'call modules from the forward of a model given to traceModel',
}));

export const badSize = defineDiagnostic(
  'nn/bad-size',
  (p: { module: string; option: string; value: number; expected: string }) => ({
    what: `${p.module} was given ${p.option} = ${p.value}`,
    where: [{ at: `${p.module} options`, note: p.option }],
    fix: `give ${p.expected}`,
  }),
);

export const sequenceTooLong = defineDiagnostic('nn/sequence-too-long', (p: { sequence: number; context: number }) => ({
  what: `the model is traced for sequences of ${p.sequence} tokens, but has a context of ${p.context}`,
  why: 'positions past the context have no embedding',
  fix: `trace for at most ${p.context} tokens, or give the model a longer context`,
}));

export const repeatedFactor = defineDiagnostic(
  'nn/repeated-factor',
  (p: { factor: string; has: readonly string[]; path: string }) => ({
    what: `a linear layer makes a factor '${p.factor}', which its input has and keeps`,
    why: `the input has [${p.has.join(' ')}]: one tensor cannot have two factors of one name`,
    where: [{ at: p.path || 'model' }],
    fix: `name the output's factor otherwise, or let the layer sum '${p.factor}' by naming it in \`in\``,
  }),
);

export const reservedName = defineDiagnostic('nn/reserved-name', (p: { name: string; role: string }) => ({
  what: `a parameter is named '${p.name}', and that names ${p.role}`,
  why: 'a step takes and gives values by name: one of the two would be taken for the other',
  where: [{ at: p.name }],
  fix: `name the field otherwise, '${p.name.split('.')[0]}_weight' for one`,
}));

export const badName = defineDiagnostic('nn/bad-name', (p: { name: string }) => ({
  what: `a parameter is named '${p.name}'`,
  why: 'names stand in checkpoints, plans and messages: letters, digits, _, $ and - in each part, and dots between them',
  where: [{ at: p.name }],
  fix: 'name the field as one names a variable',
}));

export const repeatedName = defineDiagnostic('nn/repeated-name', (p: { name: string }) => ({
  what: `two parameters are named '${p.name}'`,
  why: 'a parameter is known by the path of fields that leads to it',
  where: [{ at: p.name }],
  fix: 'name one of the fields otherwise',
}));
