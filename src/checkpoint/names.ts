/**
 * The folder of a run's checkpoints.
 *
 *   latest                  one line: the name of the checkpoint to resume from
 *   step-000100/            a checkpoint: manifest.json, model.safetensors, optimizer.safetensors
 *   step-000100.replaced/   a checkpoint that another of the same step is just taking the place of
 *   anything.tmp            left by a crash; removed by the next save
 */
import { join } from 'node:path';
import type { Disk } from './disk.js';

export const latestName = 'latest';
export const manifestName = 'manifest.json';
export const modelFileName = 'model.safetensors';
export const optimizerFileName = 'optimizer.safetensors';
export const replacedSuffix = '.replaced';
export const partialSuffix = '.tmp';

/** `step-000100` */
export const checkpointName = (step: number): string => `step-${String(step).padStart(6, '0')}`;

export interface FoundCheckpoint {
  readonly name: string;
  readonly path: string;
  readonly step: number;
}

/** Checkpoint folders by name alone, the highest step first. */
export async function listCheckpoints(disk: Disk, directory: string): Promise<readonly FoundCheckpoint[]> {
  const found: FoundCheckpoint[] = [];
  for (const name of await disk.list(directory)) {
    const match = /^step-(\d+)(\.replaced)?$/.exec(name);
    if (match) found.push({ name, path: join(directory, name), step: Number(match[1]) });
  }
  return found.sort((a, b) => b.step - a.step || a.name.length - b.name.length);
}

/** What `latest` says, or null where there is none. */
export async function readLatest(disk: Disk, directory: string): Promise<string | null> {
  const path = join(directory, latestName);
  if (!(await disk.exists(path))) return null;
  const file = await disk.open(path);
  try {
    return new TextDecoder().decode(await file.read(0, file.bytes)).trim() || null;
  } finally {
    await file.close();
  }
}
