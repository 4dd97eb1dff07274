/** What a flag that no command has was probably meant to be. */
import type { Command } from 'commander';
import { describeOptions } from '../config/schema.js';
import { nearest } from '../ir/diagnostic.js';
import { dashed } from '../options/names.js';
import { nearestOption } from '../options/nearest.js';
import { leafOf } from '../options/rows.js';
import { unknownFlag } from './diagnostics.js';

/** `flag`: as it was written, `--learning-rate` or `--n_layer=12`. */
export function explainUnknownFlag(command: Command, flag: string): Error {
  const written = flag.replace(/=.*$/, '');
  const own = command.options.map(({ long }) => long).filter((long) => long !== null && long !== undefined);
  return unknownFlag({ command: command.name(), flag: written, meant: meantBy(written, own) });
}

/** What to write in its place: a flag of the command, or a field that `--set` changes; null where nothing is like it. */
function meantBy(written: string, own: readonly string[]): string | null {
  const row = nearestOption(written.replace(/^-+/, ''), describeOptions());
  const flags = row ? [row.flag, dashed(leafOf(row.path))].map((flag) => `--${flag}`) : [];
  const flag = flags.find((one) => own.includes(one)) ?? nearest(dashed(written), own);
  return flag ?? (row && own.includes('--set') ? `--set ${row.path}=…` : null);
}
