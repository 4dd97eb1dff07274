/** Where a run's checkpoints are: a run that goes on may be told to put new ones elsewhere, and still has its old ones. */
import { readFileSync } from 'node:fs';
import type { TrainConfig } from '../config/schema.js';
import { readOwner } from './checkpoint_owner.js';
import { checkpointsName, RunFolder } from './folder.js';

/**
 * Every folder in which a run's checkpoints may be, that of the latest first: where config.json says, where they were before that, and
 * `directory`, where they are to be from now on.
 */
export function checkpointFolders(folder: RunFolder, directory: string): readonly string[] {
  const folders: string[] = [];
  for (let at: string | null = storedDirectory(folder); at !== null && !folders.includes(at);) {
    folders.push(at);
    at = readOwner(at)?.before ?? null;
  }
  return folders.includes(directory) ? folders : [...folders, directory];
}

/** The folder of checkpoints that a run's config.json names; null where it names none, or cannot be read. */
function storedDirectory(folder: RunFolder): string | null {
  try {
    const config = JSON.parse(readFileSync(folder.file('config.json'), 'utf8')) as Partial<TrainConfig>;
    const directory: unknown = config.checkpoint?.directory;
    return typeof directory === 'string' ? new RunFolder(directory).path : folder.file(checkpointsName);
  } catch {
    return null;
  }
}
