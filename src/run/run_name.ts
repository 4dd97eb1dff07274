/** What a run can be called: whatever can be the name of a folder, on this machine and when copied to another. */
import { badRunName } from './diagnostics.js';

/** Most bytes of a file's name on common file systems, less what a file of ours adds to one. */
const mostBytes = 200;

/** Throws `run/bad-name`. */
export function requireRunName(name: string): void {
  const problem = problemOf(name);
  if (problem === null) return;
  const cleaned = [...name.replace(/[/\\\p{Cc}\p{Cf}\p{Cs}]+/gu, '-')].slice(0, 60).join('').trim();
  const stripped = cleaned.replace(/^[.-]+|[.-]+$/g, '');
  const instead = stripped !== '' && problemOf(stripped) === null ? stripped : null;
  throw badRunName({ name: [...name].slice(0, 80).join(''), problem, instead });
}

function problemOf(name: string): string | null {
  if (name.trim() === '') return 'it is empty';
  if (name === '.' || name === '..') return 'it names the folder itself or the one above';
  if (/[/\\]/.test(name)) return 'it has a separator of paths in it (set logging.directory for another place)';
  if (/[\p{Cc}\p{Cf}]/u.test(name)) return 'it has a character in it that is not seen';
  if (/\p{Cs}/u.test(name)) return 'it is not valid Unicode';
  if (name.trim() !== name) return 'it begins or ends with a space';
  if (Buffer.byteLength(name) > mostBytes)
    return `it has ${Buffer.byteLength(name)} bytes, and at most ${mostBytes} fit`;
  return null;
}
