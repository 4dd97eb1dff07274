/**
 * What a resume is about to write, beside what is there: `RUN/.next/` has the config.json, plan.json, run.json and model.ir that its
 * ranks read. They take their places when the state is loaded and the first step is next; a resume that is refused before, by whatever,
 * leaves the folder as it was.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { RunFolder } from './folder.js';

/** Makes the place for what is about to be written; what an earlier resume left there is removed. */
export function stageIn(folder: RunFolder): RunFolder {
  discardStaged(folder);
  mkdirSync(folder.file('.next'));
  return new RunFolder(folder.file('.next'));
}

/** Moves what is staged into place, each file whole, run.json last. Nothing is staged for a new run. */
export function commitStaged(folder: RunFolder): void {
  const stage = folder.file('.next');
  if (!existsSync(stage)) return;
  const names = readdirSync(stage).sort((a, b) => Number(a === 'run.json') - Number(b === 'run.json'));
  for (const name of names) renameSync(join(stage, name), folder.file(name));
  discardStaged(folder);
}

export function discardStaged(folder: RunFolder): void {
  rmSync(folder.file('.next'), { recursive: true, force: true });
}
