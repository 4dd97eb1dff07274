/** What a plan needs to know of a model: its segments, and the sizes of what may be split. */
import { hashText } from '../ir/hash.js';
import { factorsOf, namesOf, printType } from '../ir/type.js';
import type { LanguageModel } from '../nn/language_model.js';
import { blockListOf } from '../nn/module.js';
import { describeParameters } from '../nn/trace.js';
import { tensorFactors, type PlannedModel } from './planned_model.js';

/** `hash` covers the class and every parameter's name and shape: a plan made for another model is told by it. */
export function describeModel(model: LanguageModel): PlannedModel {
  const parameters = describeParameters(model);
  const blocks = blockListOf(model);
  const name = model.constructor.name.toLowerCase();
  const all = parameters.flatMap(({ type }) => factorsOf(type));
  const factors = Object.fromEntries(
    all.filter((factor) => tensorFactors.includes(factor.name)).map((factor) => [factor.name, factor.size]),
  );
  const sizes: Record<string, readonly number[]> = {};
  for (const factor of [...all, { name: 'sequence', size: model.options.context }]) {
    sizes[factor.name] = [...new Set([...(sizes[factor.name] ?? []), factor.size])];
  }
  return {
    name,
    hash: hashText([name, ...parameters.map((p) => `${p.name} ${printType(p.type)}`)].join('\n')),
    segments: blocks ? ['embedding', ...blocks.blocks.map((_, i) => `${blocks.name}.${i}`), 'head'] : ['model'],
    factors,
    sizes,
    parameters: parameters.map(({ type }) => namesOf(type)),
  };
}
