/** Command-line flags made from the table of options, and `--set`. */
import type { Command } from 'commander';
import { describeOptions } from '../config/rows.js';

/** `optimizer.lr` → `--lr`; `data.paths` → `--data`. */
const flagNames = describeOptions()
  .filter(({ flag }) => flag)
  .map((row) => ({
    ...row,
    flag: row.path === 'data.paths' ? 'data' : row.path.split('.').at(-1)!.replaceAll('_', '-'),
  }));

const collect = (text: string, before: readonly string[]): readonly string[] => [...before, text];

/** Adds the options that are flags of their own, and `--set` for every other. */
export function addOptionFlags(command: Command): Command {
  for (const { flag, path, type, description, unit } of flagNames) {
    const value = path === 'data.paths' ? '<path...>' : type === 'boolean' ? '[value]' : '<value>';
    command.option(`--${flag} ${value}`, `${description}${unit ? ` (${unit})` : ''}`);
  }
  return command.option('--set <name=value>', 'change any field of the configuration; may be repeated', collect, []);
}

/** What the flags of a command line say, as overrides. */
export function overridesOf(options: Readonly<Record<string, unknown>>): readonly string[] {
  const flags = flagNames.flatMap(({ flag, path }) => {
    const value = options[flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())];
    if (value === undefined) return [];
    return [`${path}=${Array.isArray(value) ? JSON.stringify(value) : String(value)}`];
  });
  return [...flags, ...(options.set as readonly string[])];
}
