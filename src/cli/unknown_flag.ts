/** What a flag that no command has was probably meant to be. */
import type { Command } from 'commander';
import { describeOptions } from '../config/schema.js';
import { nearest } from '../ir/diagnostic.js';
import { dashed } from '../options/names.js';
import { meantBy } from '../options/nearest.js';
import { leafOf } from '../options/rows.js';
import { unknownFlag } from './diagnostics.js';

/** `flag`: as it was written, `--learning-rate` or `--n_layer=12`. */
export function explainUnknownFlag(command: Command, flag: string): Error {
  const written = flag.replace(/=.*$/, '');
  const own = command.options.map(({ long }) => long).filter((long) => long !== null && long !== undefined);
  return unknownFlag({ command: command.name(), flag: written, ...flagMeantBy(written, own) });
}

interface MeantFlag {
  /** What to write in its place: a flag of the command, or a field that `--set` changes; null where nothing is like it. */
  readonly meant: string | null;
  /** How its value differs; where there is none, what to do instead. */
  readonly note: string | null;
}

function flagMeantBy(written: string, own: readonly string[]): MeantFlag {
  const { option: row, note, isKnown } = meantBy(written.replace(/^-+/, ''), describeOptions());
  const flags = row ? [row.flag, dashed(leafOf(row.path))].map((flag) => `--${flag}`) : [];
  const set = row && own.includes('--set') ? `--set ${row.path}=…` : null;
  // What is known of a name, no likeness overrules.
  const like = isKnown ? null : nearest(dashed(written), own);
  return { meant: flags.find((one) => own.includes(one)) ?? like ?? set, note };
}
