/** Whether two processes have constructed the same model of a user's own. */
import { hashText } from '../ir/hash.js';
import { printType } from '../ir/type.js';
import type { LanguageModel } from '../nn/language_model.js';
import { Module, modulesOf } from '../nn/module.js';
import { describeParameters } from '../nn/trace.js';

/** Of the classes and their texts, the options, and every parameter's name and shape. */
export function modelHash(model: LanguageModel): string {
  const parameters = describeParameters(model).map(({ name, type }) => `${name} ${printType(type)}`);
  return hashText([...classTexts(model), optionsText(model.options), ...parameters].join('\n'));
}

/** The source of each class in the model, down to those that every module has. */
function classTexts(model: LanguageModel): readonly string[] {
  const classes = new Set<unknown>();
  for (const { module } of modulesOf(model)) {
    for (let of = module.constructor; of !== Module && typeof of === 'function'; of = Object.getPrototypeOf(of))
      classes.add(of);
  }
  return [...classes].map(String);
}

/** Options as text, whatever they hold: functions by their source, an object that is met again by that. */
function optionsText(options: object): string {
  const met = new Set<unknown>();
  return JSON.stringify(options, (_, value: unknown) => {
    if (typeof value === 'function' || typeof value === 'bigint' || typeof value === 'symbol') return String(value);
    if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
    if (typeof value !== 'object' || value === null) return value;
    if (met.has(value)) return 'met before';
    met.add(value);
    return value;
  });
}
