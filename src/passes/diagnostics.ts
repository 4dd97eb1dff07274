import { defineDiagnostic } from '../ir/diagnostic.js';

export const nothingToTrain = defineDiagnostic('passes/nothing-to-train', (p: { parameters: readonly string[] }) => ({
  what:
    p.parameters.length === 0
      ? 'the model has no parameters'
      : `no gradient of the loss flows to any of the ${p.parameters.length} parameters`,
  why: `${p.parameters.length === 0 ? 'training' : `${some(p.parameters)}: training`} would change nothing`,
  fix: 'let forward compute the logits from the parameters; comparisons, topk and integer types pass no gradient on',
}));

const some = (names: readonly string[]): string =>
  names.length > 4 ? `${names.slice(0, 4).join(', ')}, …` : names.join(', ');
