/** Settings of the library's calls: a name that nothing reads is refused, as one of a configuration is. */
import { nearest } from '../ir/diagnostic.js';
import { wrongOption } from '../options/diagnostics.js';
import { unknownSetting } from './diagnostics.js';
import { camelCase, snakeCase } from '../options/names.js';
import { isPlain, textOf } from '../options/plain.js';
import { describeOptions } from './schema.js';

/** Every name of some settings, none more: `Record<keyof Settings, true>`. */
export type Names<Settings> = Readonly<Record<keyof Required<Settings>, true>>;

/** Throws `config/unknown-setting` where `settings` of `call` have a name that is not known; `config/wrong-option` where they are no object. */
export function requireSettings<Settings>(call: string, settings: Settings, names: Names<Settings>): void {
  if (!isPlain(settings))
    throw wrongOption({
      option: 'settings',
      expected: 'an object',
      given: textOf(settings),
      source: `settings of ${call}()`,
    });
  requireForms(call, settings as Readonly<Record<string, unknown>>);
  const known = Object.keys(names);
  const setting = Object.keys(settings).find((name) => !known.includes(name));
  if (setting === undefined) return;
  const option = describeOptions().find(({ path, group }) => path === snakeCase(setting) && !group)?.path ?? null;
  throw unknownSetting({
    call,
    setting: setting.slice(0, 80),
    nearest: nearestSetting(setting, known),
    // Only these calls change fields of a configuration.
    option: known.includes('overrides') ? option : null,
    known,
  });
}

/** Throws `config/wrong-option` where a setting that is looked into is none that can be. */
function requireForms(call: string, { overrides, events }: Readonly<Record<string, unknown>>): void {
  const refuse = (option: string, expected: string, given: unknown) => {
    throw wrongOption({ option, expected, given: textOf(given), source: `settings of ${call}()` });
  };
  if (overrides !== undefined && !(Array.isArray(overrides) && overrides.every(isOverride)))
    refuse('overrides', "a list of texts such as 'optimizer.lr=1e-3'", overrides);
  if (events !== undefined && typeof (events as { subscribe?: unknown } | null)?.subscribe !== 'function')
    refuse('events', 'what trainEvents() gives', events);
}

const isOverride = (one: unknown): boolean =>
  typeof one === 'string' || (isPlain(one) && typeof one.text === 'string' && typeof one.source === 'string');

/** The setting that was probably meant: one of almost this name, or one whose name is a word of it, as `tokens` is of `max_new_tokens`. */
function nearestSetting(setting: string, known: readonly string[]): string | null {
  const words = snakeCase(setting).split('_');
  return (
    nearest(snakeCase(setting), known) ??
    nearest(camelCase(setting), known) ??
    known.find((name) => words.includes(name)) ??
    null
  );
}
