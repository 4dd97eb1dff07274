/**
 * What a resume has decided to be the run's configuration, plan, record and model, while its files take their places: `RUN/.committed/`.
 * It comes there in one rename, and whoever opens the folder moves what a crash has left there; so no one reads half of it.
 */
import { existsSync, lstatSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** The files that a resume replaces. */
export const committedNames = ['config.json', 'plan.json', 'model.ir', 'run.json'] as const;

/** Makes what lies in a folder of the run the run's own, at once. */
export function commit(run: string, staged: string): void {
  finishCommit(run);
  renameSync(staged, join(run, '.committed'));
  finishCommit(run);
}

/** Moves what is committed to its place. Two processes may do it at the same time. */
export function finishCommit(run: string): void {
  const committed = join(run, '.committed');
  if (!lstatSync(committed, { throwIfNoEntry: false })?.isDirectory()) return;
  for (const name of committedNames) moveIfThere(join(committed, name), join(run, name));
  rmSync(committed, { recursive: true, force: true });
}

function moveIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (existsSync(from)) throw error;
  }
}
