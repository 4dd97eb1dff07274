/** `--set name=value`: fields of a configuration changed by their dotted path. */
import { badOverride, unknownOption } from './diagnostics.js';
import { nearestOption } from './issues.js';
import { isPlain, type Plain } from './plain.js';
import { describeOptions } from './rows.js';

/**
 * Sets fields by dotted path: `['optimizer.lr=1e-3', 'data.paths=["a.md"]', 'precision=f32']`. Values are JSON, else strings.
 * Leaves `options` as it is.
 */
export function applyOverrides(options: Plain, overrides: readonly string[]): Plain {
  const rows = describeOptions();
  return overrides.reduce((current, text) => {
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
