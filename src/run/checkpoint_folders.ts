/** Where a run's checkpoints are: a run that goes on may be told to put new ones elsewhere, and still has its old ones. */
import { parseJson } from '../ir/parse_json.js';
import { readText } from '../data/read_text.js';
import type { TrainConfig } from '../config/schema.js';
import { latestNameIn, readOwner } from './checkpoint_owner.js';
import { checkpointsName, RunFolder } from './folder.js';

/**
 * Every folder in which a run's checkpoints may be, that of the latest first: where config.json says, where they were before that, and
 * `directory`, where they are to be from now on.
 */
export function checkpointFolders(folder: RunFolder, directory: string): readonly string[] {
  const folders: string[] = [];
  const cameBackTo: string[] = [];
  const known = () => [...folders, ...cameBackTo];
  for (let at: string | null = storedDirectory(folder); at !== null && !known().includes(at);) {
    const owner = readOwner(at);
    const isOlder = owner !== null && owner.had !== null && owner.had === latestNameIn(at);
    if (isOlder) cameBackTo.unshift(at);
    else folders.push(at);
    at = owner?.before ?? null;
  }
  return known().includes(directory) ? known() : [...known(), directory];
}

/** The folder of checkpoints that a run's config.json names; null where it names none, or cannot be read. */
function storedDirectory(folder: RunFolder): string | null {
  try {
    const config = parseJson(readText(folder.file('config.json'))) as Partial<TrainConfig>;
    const directory: unknown = config.checkpoint?.directory;
    return typeof directory === 'string' ? new RunFolder(directory).path : folder.file(checkpointsName);
  } catch {
    return null;
  }
}
