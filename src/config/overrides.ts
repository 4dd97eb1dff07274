/** `--set name=value`: fields of a configuration changed by their dotted path. */
import { badOverride, unknownOption } from './diagnostics.js';
import { nearestOption } from './issues.js';
import { isPlain, type Plain } from './plain.js';
import { describeOptions } from './rows.js';

/**
 * Sets fields by dotted path: `['optimizer.lr=1e-3', 'data.paths=["a.md"]', 'precision=f32']`. Values are JSON, else strings.
 * A length in steps takes the place of one in minutes, and the other way round. Leaves `options` as it is.
 */
export function applyOverrides(options: Plain, overrides: readonly string[]): Plain {
  const rows = describeOptions();
  const changed = overrides.reduce((current, text) => {
    const at = text.indexOf('=');
    if (at < 1) throw badOverride({ text, problem: 'it has no =', fix: 'write --set name.of.option=value' });
    const path = text.slice(0, at).trim();
    const row = rows.find((candidate) => candidate.path === path);
    if (!row && !path.startsWith('model.options.')) {
      throw unknownOption({ option: path, nearest: nearestOption(path, rows), source: `--set ${text}` });
    }
    if (path.startsWith('model.') && isPlain(current.model) && current.model.family === 'custom') {
      const fix = 'change it in the TypeScript config that constructs the model';
      throw badOverride({ text, problem: 'the model is an object of your own, already constructed', fix });
    }
    return setAt(current, path.split('.'), parseValue(text.slice(at + 1)));
  }, options);
  return withOneLength(options, changed);
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
