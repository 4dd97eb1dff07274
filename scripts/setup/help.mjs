/**
 * What can be answered before anything is installed or built: help and version, from texts that were made of the built command
 * (scripts/help/; `UPDATE=1 npx vitest run tests/docs/help.test.ts` writes them).
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './places.mjs';

/**
 * The answer to a command line that asks for help or the version, else null. Without arguments help is an error, as commander has it.
 * @param {readonly string[]} args @returns {{ text: string, isError: boolean } | null}
 */
export function earlyAnswer(args) {
  const end = args.indexOf('--');
  const before = end < 0 ? args : args.slice(0, end);
  const command = before.find((arg) => !arg.startsWith('-')) ?? null;
  if (args.length === 0) return { text: helpText(null), isError: true };
  if (command === 'help') return { text: helpText(before[before.indexOf('help') + 1] ?? null), isError: false };
  if (before.some((arg) => arg === '--help' || arg === '-h')) return { text: helpText(command), isError: false };
  if (before[0] !== '--version' && before[0] !== '-V') return null;
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  return { text: `${version}\n`, isError: false };
}

/** Help on a command; on all of them where there is no such command. @param {string | null} command */
function helpText(command) {
  const page = (/** @type {string} */ name) => path.join(root, 'scripts', 'help', `${name}.txt`);
  const known = command !== null && /^[a-z]+$/.test(command) && existsSync(page(command));
  return readFileSync(page(known ? command : 'flotilla'), 'utf8');
}
