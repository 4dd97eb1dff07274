/** What a plan needs to know of a model: its segments, and the sizes that tensor parallelism splits. */
import { hashText } from '../ir/hash.js';
import { factorsOf, printType } from '../ir/type.js';
import type { LanguageModel } from '../nn/language_model.js';
import { blockListOf } from '../nn/module.js';
import { describeParameters } from '../nn/trace.js';
import { tensorFactors, type PlannedModel } from './parallel_sizes.js';

/** `hash` covers the class and every parameter's name and shape: a plan made for another model is told by it. */
export function describeModel(model: LanguageModel): PlannedModel {
  const parameters = describeParameters(model);
  const blocks = blockListOf(model);
  const name = model.constructor.name.toLowerCase();
  const factors: Record<string, number> = {};
  for (const { name: factor, size } of parameters.flatMap(({ type }) => factorsOf(type))) {
    if (tensorFactors.includes(factor)) factors[factor] = size;
  }
  return {
    name,
    hash: hashText([name, ...parameters.map((p) => `${p.name} ${printType(p.type)}`)].join('\n')),
    segments: blocks ? ['embedding', ...blocks.blocks.map((_, i) => `${blocks.name}.${i}`), 'head'] : ['model'],
    factors,
  };
}
