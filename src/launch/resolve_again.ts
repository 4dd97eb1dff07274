/** The configuration of a run that is there already. */
import { readJsonConfig } from '../config/file.js';
import { resolveConfig, type ResolvedConfig } from '../config/resolve.js';
import type { RunFolder } from '../run/folder.js';

/** `overrides`: `--set` texts, applied to what the run folder holds. */
export function resolveAgain(folder: RunFolder, overrides: readonly string[]): ResolvedConfig {
  const file = folder.file('config.json');
  const config = readJsonConfig(file);
  // A length in steps takes the place of one in minutes.
  const givesSteps = overrides.some((text) => /^steps\s*=/.test(text));
  return resolveConfig(givesSteps ? { ...config, minutes: null } : config, { overrides, source: file });
}
