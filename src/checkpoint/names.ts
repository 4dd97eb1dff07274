/**
 * The folder of a run's checkpoints. `RUN` is the id of the run: what a save has under way says whose it is by its name, a checkpoint
 * by its manifest, and nothing of another's is touched.
 *
 *   latest                        one line: the name of the checkpoint to resume from
 *   step-000100/                  a checkpoint: manifest.json, model.safetensors, optimizer.safetensors
 *   step-000100-2/                the same, where something that is not the run's has the first name
 *   step-000100.RUN.replaced/     a checkpoint that another of the same step is just taking the place of
 *   anything.RUN.tmp              left by a crash; removed by the run's next save
 */
import { join } from 'node:path';
import type { Disk } from './disk.js';

export const latestName = 'latest';
export const manifestName = 'manifest.json';
export const modelFileName = 'model.safetensors';
export const optimizerFileName = 'optimizer.safetensors';

/** `step-000100` */
export const checkpointName = (step: number): string => `step-${String(step).padStart(6, '0')}`;

/** What a name ends with while the run writes or removes it. */
export const partialSuffix = (run: string): string => `.${run}.tmp`;

/** What the name of a checkpoint ends with while the run puts another in its place. */
export const replacedSuffix = (run: string): string => `.${run}.replaced`;

export interface FoundCheckpoint {
  readonly name: string;
  readonly path: string;
  readonly step: number;
}

// Fifteen digits are an exact number.
const checkpointPattern = /^step-(\d{6,15})(-\d+)?(\.\w+\.replaced)?$/;

/** Checkpoint folders by name alone, the highest step first. */
export async function listCheckpoints(disk: Disk, directory: string): Promise<readonly FoundCheckpoint[]> {
  const found: FoundCheckpoint[] = [];
  for (const name of await disk.list(directory)) {
    const match = checkpointPattern.exec(name);
    if (match) found.push({ name, path: join(directory, name), step: Number(match[1]) });
  }
  return found.sort((a, b) => b.step - a.step || a.name.length - b.name.length);
}

/** Longer than any name of a checkpoint. */
const latestBytes = 256;

/** What `latest` says, or null where there is none. */
export async function readLatest(disk: Disk, directory: string): Promise<string | null> {
  const path = join(directory, latestName);
  if ((await disk.kind(path)) !== 'file') return null;
  const file = await disk.open(path);
  try {
    return new TextDecoder().decode(await file.read(0, latestBytes)).trim() || null;
  } finally {
    await file.close();
  }
}
