/** What model code can get wrong, as far as the model front end sees it. */
import { defineDiagnostic, nearest } from '../ir/diagnostic.js';
import { snakeCase } from '../options/names.js';

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

export const modelFails = defineDiagnostic(
  'nn/model-fails',
  (p: { problem: string; line: string | null; op: string | null; method: string | null }) => ({
    what: `the model's own code fails while it is traced: ${p.problem}`,
    where: [{ at: p.line ?? 'model' }],
    fix: p.op
      ? `'${p.op}' is an op: write .apply('${p.op}')`
      : p.method
        ? `a tensor has the method '${p.method}'`
        : 'forward runs once, on symbols: mend the line',
  }),
);

export const wrongResult = defineDiagnostic(
  'nn/wrong-result',
  (p: { method: string; module: string; given: string; wants: string; path: string }) => ({
    what: `${p.method} of ${p.module} gives ${p.given}, and ${p.wants} is needed`,
    where: [{ at: p.path || 'model' }],
    fix:
      p.given === 'a promise'
        ? `write ${p.method} without async: it runs once, on symbols, and waits for nothing`
        : `return ${p.wants}`,
  }),
);

export const wrongTerm = defineDiagnostic(
  'nn/wrong-term',
  (p: { module: string; term: string; problem: string; why?: string; fix: string }) => ({
    what: `loss of ${p.module} gives the term '${p.term}', ${p.problem}`,
    why: p.why,
    where: [{ at: p.module }],
    fix: p.fix,
  }),
);

export const noForward = defineDiagnostic('nn/no-forward', (p: { module: string }) => ({
  what: `the model ${p.module} has no method forward`,
  where: [{ at: p.module }],
  fix: 'declare forward(tokens), which returns the logits of the token after each',
}));

export const badSize = defineDiagnostic(
  'nn/bad-size',
  (p: { module: string; option: string; value: number; expected: string }) => ({
    what: `${p.module} was given ${p.option} = ${p.value}`,
    where: [{ at: `${p.module} options`, note: p.option }],
    fix: `give ${p.expected}`,
  }),
);

export const unknownOption = defineDiagnostic(
  'nn/unknown-option',
  (p: { layer: string; option: string; known: readonly string[] }) => {
    const near = nearest(snakeCase(p.option), p.known);
    return {
      what: `${p.layer} has no option '${p.option}'`,
      where: [{ at: `${p.layer} options`, note: p.option }],
      fix: `${near === null ? '' : `the nearest is '${near}'; `}it takes ${p.known.join(', ')}`,
    };
  },
);

export const sequenceTooLong = defineDiagnostic('nn/sequence-too-long', (p: { sequence: number; context: number }) => ({
  what: `the model is traced for sequences of ${p.sequence} tokens, but has a context of ${p.context}`,
  why: 'positions past the context have no embedding',
  fix: `trace for at most ${p.context} tokens, or give the model a longer context`,
}));

export const documentsNotRead = defineDiagnostic('nn/documents-not-read', (p: { model: string }) => ({
  what: `documents are to be kept apart (data.documents: separate), and ${p.model} does not read where they begin`,
  why: 'each token would go on seeing what stands before its document, if it sees other tokens at all',
  fix: 'build it of nn.Attention, and of nn.positionsOf for learned positions, which keep documents apart; or set data.documents to packed',
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

export const missingFactor = defineDiagnostic(
  'nn/missing-factor',
  (p: { layer: string; factor: string; has: readonly string[]; path: string }) => {
    const near = nearest(p.factor, p.has, Math.max(2, Math.floor(p.factor.length / 2)));
    return {
      what: `${p.layer} works over the factor '${p.factor}', which its input lacks`,
      why: `the input has [${p.has.join(' ')}]`,
      where: [{ at: p.path || 'model' }],
      fix: near
        ? `the nearest is '${near}': write x.rename({ ${near}: '${p.factor}' }), or name it so in the layer's options`
        : `give an input that has '${p.factor}', or name one of its factors in the layer's options`,
    };
  },
);

export const unexpectedFactor = defineDiagnostic(
  'nn/unexpected-factor',
  (p: { layer: string; factor: string; takes: readonly string[]; has: readonly string[]; path: string }) => ({
    what: `${p.layer} was given an input with a factor '${p.factor}'`,
    why: `it takes [${p.takes.join(' ')}], and the input has [${p.has.join(' ')}]`,
    where: [{ at: p.path || 'model' }],
    fix: `sum over '${p.factor}', or unstack it and give one slice after the other`,
  }),
);

export const sharedWeightDiffers = defineDiagnostic(
  'nn/shared-weight-differs',
  (p: { has: readonly string[]; wants: readonly string[] }) => ({
    what: `a linear layer is to share a weight of [${p.has.join(' ')}]`,
    why: `from its \`in\` to its \`out\` it needs [${p.wants.join(' ')}]: what is named otherwise would be summed by itself`,
    where: [{ at: 'Linear options', note: 'weight' }],
    fix: 'name the factors of `in` and `out` as the weight has them, or give the layer a weight of its own',
  }),
);

export const reservedName = defineDiagnostic('nn/reserved-name', (p: { name: string }) => ({
  what: `a parameter is named '${p.name}', and that names a method of the model`,
  why: 'a field takes the place of the method: the model could not be run',
  where: [{ at: p.name }],
  fix: `name the field otherwise, '${p.name}_weight' for one`,
}));

export const badInit = defineDiagnostic('nn/bad-init', (p: { std: unknown }) => ({
  what: `the standard deviation of first values is ${typeof p.std === 'object' ? JSON.stringify(p.std) : String(p.std)}`,
  why: 'it is the one argument of normal(): a number, finite and not negative',
  where: [{ at: 'normal(std)' }],
  fix: 'write normal(0.02), as GPT-2 begins',
}));

export const repeatedName = defineDiagnostic('nn/repeated-name', (p: { name: string }) => ({
  what: `two parameters are named '${p.name}'`,
  why: 'a parameter is known by the path of fields that leads to it',
  where: [{ at: p.name }],
  fix: 'name one of the fields otherwise',
}));
