/**
 * Whether a user's module is being imported, and what it tried to start meanwhile.
 *
 * A module that is read as a configuration, or for its model, may be a script that trains: that must not happen then. What is known of
 * an import is shared by all copies of this package in a process: the module's own import of flotilla may lead to another one than ours.
 */

import { AsyncLocalStorage } from 'node:async_hooks';

/** A call that a module made while it was imported, and that was refused. */
export interface RefusedCall {
  readonly error: Error;
  /** The model object that it was given; null where it was given none. */
  readonly model: unknown;
}

export interface Importing {
  readonly file: string;
  readonly refused: RefusedCall[];
}

const key = Symbol.for('flotilla.importing');
const shared = globalThis as { [key]?: AsyncLocalStorage<Importing> };
const imports = (shared[key] ??= new AsyncLocalStorage<Importing>());

/** The import that the code which asks is part of, or was started by; null where there is none. */
export const currentImport = (): Importing | null => imports.getStore() ?? null;

/** Runs an import. What the module leaves running when the import has settled is part of it still. */
export const whileImporting = <T>(importing: Importing, work: () => Promise<T>): Promise<T> =>
  imports.run(importing, work);
