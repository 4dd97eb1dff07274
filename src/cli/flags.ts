/** Command-line flags made from the rows of options, and `--set`. */
import { Option, type Command } from 'commander';
import type { WrittenOverride } from '../config/overrides.js';
import { describeOptions } from '../config/schema.js';
import { camelCase, dashed, underscored } from '../options/names.js';
import { parseValue } from '../options/parse_value.js';
import { groupOf, leafOf, type OptionRow } from '../options/rows.js';

type Flags = Readonly<Record<string, unknown>>;

/** Adds the options of a configuration that are flags of their own, and `--set` for every other. */
export function addOptionFlags(command: Command): Command {
  for (const row of describeOptions().filter(({ flag }) => flag !== null))
    command.addOption(flagOf(row, headingOf(row)));
  return addSet(command);
}

/** Adds `--set name=value`. */
const addSet = (command: Command): Command =>
  command.addOption(
    new Option('--set <name=value>', 'change any field of the configuration, see docs/config.md; may be repeated')
      .argParser((text, before: readonly string[]) => [...before, text])
      .default([], 'none'),
  );

/** Adds a flag for each row, whatever the row says of flags: those of settings, which are no fields of a configuration. */
export function addFlags(command: Command, rows: readonly OptionRow[]): Command {
  for (const row of rows) command.addOption(flagOf({ ...row, flag: dashed(row.path) }, 'Sampling:'));
  return command;
}

/** What the flags of a command line say, as overrides that know how they were written. */
export function overridesOf(flags: Flags): readonly WrittenOverride[] {
  const own = describeOptions().flatMap((row): WrittenOverride[] => {
    const value = row.flag === null ? undefined : flags[keyOf(row.flag)];
    if (value === undefined) return [];
    const texts = [value].flat().map(String);
    const set = isList(row) ? JSON.stringify(texts) : texts[0];
    return [{ text: `${row.path}=${set}`, source: `--${row.flag} ${texts.join(' ')}` }];
  });
  return [...own, ...setsOf(flags)];
}

/** What `--set` says, as overrides. */
const setsOf = (flags: Flags): readonly WrittenOverride[] =>
  (flags.set as readonly string[]).map((text) => ({ text, source: `--set ${text}` }));

/** The values that flags give to the settings of `rows`; those that are not given are absent. */
export function settingsOf(flags: Flags, rows: readonly OptionRow[]): Flags {
  const given = rows.map(({ path, type }) => [path, flags[keyOf(dashed(path))], type] as const);
  return Object.fromEntries(
    given.flatMap(([path, value, type]) => (typeof value === 'string' ? [[path, parseValue(value, type)]] : [])),
  );
}

function flagOf(row: OptionRow, heading: string): Option {
  const name = isList(row) ? '<path...>' : row.type.startsWith('boolean') ? '[value]' : `<${placeholderOf(row)}>`;
  return new Option(`--${row.flag} ${name}`, `${row.description}${factsOf(row)}`).helpGroup(heading);
}

/** ` (tokens; > 0; default 256)`: what may stand there, in the row's own words. */
function factsOf({ unit, choices, range, default: usual, group }: OptionRow): string {
  const facts = [
    choices.length > 1 && !group ? choices.join(' | ') : null,
    unit,
    range,
    usual === null || usual === 'null' ? null : `default ${usual.replace(/^"(.*)"$/, '$1') || 'none'}`,
  ];
  return ` (${facts.filter(Boolean).join('; ')})`.replace(' ()', '');
}

function placeholderOf({ type, unit, choices, path, group }: OptionRow): string {
  if (group) return 'file';
  if (choices.length > 0) return leafOf(path).replace(/^.*_/, '');
  if (/^(integer|number)/.test(type))
    return unit?.split(' ')[0] === 'update' ? 'rate' : unit && /^\w+$/.test(unit) ? unit : 'number';
  return leafOf(path) === 'name' ? 'name' : 'text';
}

const isList = ({ type }: OptionRow): boolean => type.startsWith('list');

/** The flags of a group of the configuration stand together. */
const headingOf = ({ path, group }: OptionRow): string => {
  const name = group ? path : groupOf(path) || 'run';
  return `${name[0].toUpperCase()}${name.slice(1)}:`;
};

/** `tensor-parallel-size` as commander keeps its value: `tensorParallelSize`. */
const keyOf = (flag: string): string => camelCase(underscored(flag));
