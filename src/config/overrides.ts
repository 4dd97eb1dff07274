/** `--set name=value`: fields of a configuration changed by their dotted path. */
import { badOverride, optionConflict, unknownOption } from './diagnostics.js';
import { nearestOption } from './issues.js';
import { isPlain, type Plain } from './plain.js';
import { describeOptions } from './rows.js';

/**
 * Sets fields by dotted path: `['optimizer.lr=1e-3', 'data.paths=["a.md"]', 'precision=f32']`. Values are JSON, else strings.
 * A group as a whole is set before fields of it, whatever the order. A length in steps takes the place of one in minutes, and the other
 * way round. Leaves `options` as it is. Throws `config/bad-override`, `config/unknown-option`, and `config/option-conflict` where the plan
 * is a file and a size is asked for beside it.
 */
export function applyOverrides(options: Plain, overrides: readonly string[]): Plain {
  const rows = describeOptions();
  const changed = groupsFirst(overrides.map(parseOverride)).reduce((current, { text, path, value }) => {
    const row = rows.find((candidate) => candidate.path === path);
    if (!row && !path.startsWith('model.options.')) {
      throw unknownOption({ option: path, nearest: nearestOption(path, rows), source: `--set ${text}` });
    }
    if (path.startsWith('model.') && isPlain(current.model) && current.model.family === 'custom') {
      const fix = 'change it in the TypeScript config that constructs the model';
      throw badOverride({ text, problem: 'the model is an object of your own, already constructed', fix });
    }
    if (path.startsWith('plan.') && isPlanFile(current.plan)) throw fileAndSize(current.plan, path, text);
    return setAt(current, path.split('.'), value);
  }, options);
  return withOneLength(options, changed);
}

interface Override {
  /** As it was written. */
  readonly text: string;
  readonly path: string;
  readonly value: unknown;
}

function parseOverride(text: string): Override {
  const at = text.indexOf('=');
  if (at < 1) throw badOverride({ text, problem: 'it has no =', fix: 'write --set name.of.option=value' });
  return { text, path: text.slice(0, at).trim(), value: parseValue(text.slice(at + 1)) };
}

/** Flags of fields come before every `--set`: without this a group that is set beside them would undo them. */
const groupsFirst = (overrides: readonly Override[]): readonly Override[] =>
  overrides.toSorted((a, b) => a.path.split('.').length - b.path.split('.').length);

const isPlanFile = (plan: unknown): plan is string => typeof plan === 'string' && plan !== 'auto';

function fileAndSize(file: string, size: string, text: string) {
  return optionConflict({
    options: ['plan', size],
    problem: `the plan is the file ${file}, and ${size} is asked for beside it`,
    source: `--set ${text}`,
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

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
