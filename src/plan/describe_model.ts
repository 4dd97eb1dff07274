/** What a plan needs to know of a model: its segments, and the sizes of what may be split. */
import { hashText } from '../ir/hash.js';
import { factorsOf, namesOf, printType } from '../ir/type.js';
import type { LanguageModel } from '../nn/language_model.js';
import { Mixture } from '../nn/mixture.js';
import { blockListOf, modulesOf } from '../nn/module.js';
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
    tokenGroups: tokenGroupsOf(model),
    parameters: parameters.map(({ type }) => namesOf(type)),
  };
}

function tokenGroupsOf(model: LanguageModel): number {
  const [first = 1, ...others] = modulesOf(model).flatMap(({ module }) =>
    module instanceof Mixture ? [module.options.token_groups ?? 1] : [],
  );
  return others.every((groups) => groups === first) ? first : 1;
}
