/** `name=value`: fields of a configuration changed by their dotted path, from a command line or a script. */
import { optionConflict, unknownOption } from '../options/diagnostics.js';
import { meantBy } from '../options/nearest.js';
import { isPlain, type Plain } from '../options/plain.js';
import { parseValue } from '../options/parse_value.js';
import type { OptionRow } from '../options/rows.js';
import { badOverride } from './diagnostics.js';
import { describeOptions } from './schema.js';

/**
 * `optimizer.lr=1e-3`, `data.paths=["a.md"]`, `precision=f32`: a path and a value, as JSON or else a string. As an object it says besides where
 * it was written, for messages: `--lr 1e-3`.
 */
export type Override = string | WrittenOverride;

export interface WrittenOverride {
  readonly text: string;
  readonly source: string;
}

export interface OverriddenOptions {
  readonly options: Plain;
  /** Where the value of an option was written last: the override that set it, else `source`. */
  sourceOf(option: string): string;
}

/**
 * Sets fields by dotted path. A group as a whole is set before fields of it, whatever the order. A length in steps takes the place of one in
 * minutes, and the other way round. Leaves `options` as it is, which were written in `source`. Throws `config/bad-override`,
 * `config/unknown-option`, and `config/option-conflict` where the plan is a file and a size is asked for beside it.
 */
export function applyOverrides(options: Plain, overrides: readonly Override[], source: string): OverriddenOptions {
  const rows = describeOptions();
  const changes = groupsFirst(overrides.map((override) => parseOverride(override, rows)));
  const changed = changes.reduce((current, change) => {
    refuse(change, current, rows);
    return setAt(current, change.path.split('.'), change.value);
  }, options);
  return {
    options: withOneLength(options, changed),
    sourceOf: (option) =>
      changes.findLast(({ path }) => isWithin(option, path) || isWithin(path, option))?.source ?? source,
  };
}

/** Whether an option is a group or in it. */
const isWithin = (option: string, group: string): boolean => option === group || option.startsWith(`${group}.`);

interface Change {
  /** As it was written. */
  readonly text: string;
  readonly source: string;
  readonly path: string;
  readonly value: unknown;
}

function parseOverride(override: Override, rows: readonly OptionRow[]): Change {
  const { text, source } =
    typeof override === 'string' ? { text: override, source: `overrides: '${override}'` } : override;
  const at = text.indexOf('=');
  if (at < 1) throw badOverride({ text, source, problem: 'it has no =', fix: 'write name.of.option=value' });
  const path = text.slice(0, at).trim();
  return {
    text,
    source,
    path,
    value: parseValue(text.slice(at + 1), rows.find((row) => row.path === path)?.type ?? ''),
  };
}

/** Throws where an option cannot be set in `current`. */
function refuse({ text, source, path }: Change, current: Plain, rows: readonly OptionRow[]): void {
  if (!rows.some((row) => row.path === path) && !path.startsWith('model.options.'))
    throw unknownOption({ option: path, meant: meantBy(path, rows), source });
  if (path.startsWith('model.') && isPlain(current.model) && current.model.family === 'custom') {
    const fix = 'change it in the TypeScript config that constructs the model';
    throw badOverride({ text, source, problem: 'the model is an object of your own, already constructed', fix });
  }
  if (path.startsWith('plan.') && isPlanFile(current.plan)) throw fileAndSize(current.plan, path, source);
}

/** Flags of fields come before every `--set`: without this a group that is set beside them would undo them. */
const groupsFirst = (changes: readonly Change[]): readonly Change[] =>
  changes.toSorted((a, b) => a.path.split('.').length - b.path.split('.').length);

const isPlanFile = (plan: unknown): plan is string => typeof plan === 'string' && plan !== 'auto';

function fileAndSize(file: string, size: string, source: string) {
  return optionConflict({
    options: ['plan', size],
    problem: `the plan is the file ${file}, and ${size} is asked for beside it`,
    sourceOf: () => source,
    fix: `leave ${size} out, or give a plan file that has it (--set plan=FILE), or lay the file aside (--set plan=auto)`,
  });
}

/** A length that is set takes the place of the one that the options had, in steps or in minutes. */
function withOneLength(before: Plain, changed: Plain): Plain {
  const isSet = (field: string) => (changed[field] ?? null) !== null && changed[field] !== before[field];
  if (isSet('steps') && !isSet('minutes')) return { ...changed, minutes: null };
  if (isSet('minutes') && !isSet('steps')) return { ...changed, steps: null };
  return changed;
}

function setAt(target: Plain, [name, ...rest]: readonly string[], value: unknown): Plain {
  if (rest.length === 0) return { ...target, [name]: value };
  // A group given in another form ('auto', a path, null) gives way to one with this field.
  const inner = target[name];
  return { ...target, [name]: setAt(isPlain(inner) ? inner : {}, rest, value) };
}
