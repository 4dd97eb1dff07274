/** The configuration of a run that is there already. */
import { readJsonConfig } from '../config/file.js';
import { resolveConfig, type ResolvedConfig } from '../config/resolve.js';
import type { RunFolder } from '../run/folder.js';
import type { Override } from '../config/overrides.js';

/** `overrides`: `--set` texts, applied to what the run folder holds. */
export function resolveAgain(folder: RunFolder, overrides: readonly Override[]): ResolvedConfig {
  const file = folder.file('config.json');
  return resolveConfig(readJsonConfig(file), { overrides, source: file });
}
