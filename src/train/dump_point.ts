/** `--dump-ir=after:NAME`: which pass to look behind. */
import { passNames, type PassName } from '../passes/pass_names.js';
import { unknownDumpPoint } from './diagnostics.js';

/** Throws where the text names no pass. */
export function dumpPoint(text: string): PassName {
  const name = text.replace(/^after:/, '');
  const found = passNames.find((pass) => pass === name);
  if (!found) throw unknownDumpPoint({ text, known: passNames });
  return found;
}
