/**
 * What a resume is about to write, beside what is there: `RUN/.next/` has the config.json, plan.json, run.json and model.ir that its
 * ranks read. They take their places when the state is loaded and the first step is next; a resume that is refused before, by whatever,
 * leaves the folder as it was.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { commit } from './committed.js';
import { RunFolder } from './folder.js';

/** Makes the place for what is about to be written; what an earlier resume left there is removed. */
export function stageIn(folder: RunFolder): RunFolder {
  discardStaged(folder);
  mkdirSync(folder.file('.next'));
  return new RunFolder(folder.file('.next'));
}

/** Makes what is staged the run's own. Nothing is staged for a new run. */
export function commitStaged(folder: RunFolder): void {
  if (existsSync(folder.file('.next'))) commit(folder.path, folder.file('.next'));
}

export function discardStaged(folder: RunFolder): void {
  rmSync(folder.file('.next'), { recursive: true, force: true });
}
