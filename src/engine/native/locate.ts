import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Locator from '../../../scripts/setup/locate_torch.mjs';
import type { TorchSearch } from '../../../scripts/setup/locate_torch.mjs';
import { packageRoot } from './package_root.js';

export type { TorchAttempt, TorchSearch } from '../../../scripts/setup/locate_torch.mjs';

/**
 * Looks for torch as the set-up does, which runs before any TypeScript is built and therefore holds the one implementation.
 * Every place looked at is in the result.
 */
export async function locateTorch(env: NodeJS.ProcessEnv = process.env): Promise<TorchSearch> {
  const { locateTorch } = await setupModule<typeof Locator>('locate_torch.mjs');
  return locateTorch({ root: packageRoot(), env });
}

/** A module of scripts/setup/, by its place in the package: this file runs from src/ and from dist/src/. */
export async function setupModule<T>(name: string): Promise<T> {
  return (await import(pathToFileURL(path.join(packageRoot(), 'scripts', 'setup', name)).href)) as T;
}
