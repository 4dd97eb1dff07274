/** Options that were decided when a run began, and that going on with it cannot change: another value is refused, not left unread. */
import { dirname } from 'node:path';
import type { TrainConfig } from '../config/schema.js';
import { textOf } from '../options/plain.js';
import { optionFixed } from './diagnostics.js';
import type { RunFolder } from './folder.js';

/** `before`: as the run was last started, its paths absolute, as those of `config` are. Throws `run/option-fixed`. */
export function refuseFixedOptions(folder: RunFolder, before: TrainConfig, config: TrainConfig): void {
  const { path } = folder;
  const move = `leave it out; to have the run elsewhere or under another name, move its folder, ${path}`;
  const weights = before.checkpoint.initial_load_path;
  const fixed = [
    { option: 'logging.name', was: before.logging.name, asked: config.logging.name, is: folder.name, fix: move },
    {
      option: 'logging.directory',
      was: before.logging.directory,
      asked: config.logging.directory,
      is: dirname(path),
      fix: move,
    },
    {
      option: 'checkpoint.initial_load_path',
      was: weights,
      asked: config.checkpoint.initial_load_path,
      is: weights,
      fix: 'leave it out, or begin a new run without it',
    },
  ];
  for (const { option, was, asked, is, fix } of fixed) {
    if (asked !== was && asked !== is) throw optionFixed({ path, option, asked: textOf(asked), is: textOf(is), fix });
  }
}
