/**
 * Saving a checkpoint so that at every instant, power cuts included, the folder holds a whole one.
 *
 *   1. write step-000100.tmp/ and sync its files and its names
 *   2. rename it to step-000100            from here on it exists, whole
 *   3. rename latest.tmp to latest         from here on it is what a resume takes
 *   4. remove the oldest beyond `keep`, each renamed to .tmp first, so that a step-NNNNNN is whole as long as it exists
 *
 * A save never changes a byte of what an earlier one wrote. Where step 1 or 2 fails (a full disk), the partial folder is removed
 * and the previous checkpoint is as it was.
 */
import { basename, join } from 'node:path';
import { DiagnosticError } from '../ir/diagnostic.js';
import { diskFull, saveFailed } from './diagnostics.js';
import type { Disk } from './disk.js';
import { errorCode } from './disk.js';
import type { CheckpointState, Manifest } from './manifest.js';
import { manifestVersion, writeManifest } from './manifest.js';
import {
  checkpointName,
  latestName,
  listCheckpoints,
  manifestName,
  modelFileName,
  optimizerFileName,
  partialSuffix,
  readLatest,
  replacedSuffix,
} from './names.js';
import { safetensorsBytes, writeSafetensors } from './safetensors.js';
import type { TensorSource } from './tensor.js';

export interface SaveOptions {
  readonly state: CheckpointState;
  /** Parameters and buffers, by module path: `blocks.0.attention.qkv.weight`. */
  readonly model: readonly TensorSource[];
  /** Optimizer state, master weights included: `optimizer.exp_avg.blocks.0.attention.qkv.weight`. */
  readonly optimizer: readonly TensorSource[];
  /** Names among `model` that are buffers and not parameters. */
  readonly buffers?: ReadonlySet<string>;
  /** How many checkpoints stay, this one included; Infinity keeps all. At least 1. */
  readonly keep: number;
  /** The version of flotilla, for the manifest. */
  readonly writtenBy: string;
}

export interface SavedCheckpoint {
  readonly path: string;
  readonly step: number;
  /** Of all its files. */
  readonly bytes: number;
  /** What went wrong after the checkpoint was safe: older ones that could not be removed. */
  readonly warnings: readonly string[];
}

/** Saves a checkpoint. Throws `checkpoint/disk-full` or `checkpoint/save-failed`; the previous one is then intact. */
export async function saveCheckpoint(disk: Disk, directory: string, options: SaveOptions): Promise<SavedCheckpoint> {
  const { step } = options.state;
  const name = checkpointName(step);
  const path = join(directory, name);
  const partial = path + partialSuffix;
  let bytes: number;
  try {
    await disk.makeDirectory(directory);
    await removeLeftovers(disk, directory);
    bytes = await writeFiles(disk, partial, options);
    if (await disk.exists(path)) await disk.rename(path, path + replacedSuffix);
    await disk.rename(partial, path);
    await disk.syncDirectory(directory);
    await writeLatest(disk, directory, name);
  } catch (error) {
    await restore(disk, path);
    throw await explain(disk, directory, options, error);
  }
  return { path, step, bytes, warnings: await removeOld(disk, directory, { saved: name, step, keep: options.keep }) };
}

/** Writes and syncs all files of a checkpoint into a new folder; returns their bytes. */
async function writeFiles(disk: Disk, folder: string, options: SaveOptions): Promise<number> {
  await disk.makeDirectory(folder);
  const files: Manifest['files'] = {};
  const tensors: Manifest['tensors'] = {};
  for (const [file, sources] of [
    [modelFileName, options.model],
    [optimizerFileName, options.optimizer],
  ] as const) {
    const written = await writeSafetensors(disk, join(folder, file), sources);
    files[file] = { bytes: written.bytes, sha256: written.sha256 };
    for (const { name, dtype, shape } of sources) {
      const kind = file === optimizerFileName ? 'optimizer' : options.buffers?.has(name) ? 'buffer' : 'parameter';
      tensors[name] = { file, kind, dtype, shape: [...shape], sha256: written.tensors.get(name)! };
    }
  }
  const manifest = writeManifest({
    flotilla_checkpoint: manifestVersion,
    written_by: options.writtenBy,
    ...options.state,
    files,
    tensors,
  });
  await writeWhole(disk, join(folder, manifestName), manifest);
  await disk.syncDirectory(folder);
  return Object.values(files).reduce((sum, file) => sum + file.bytes, manifest.length);
}

async function writeLatest(disk: Disk, directory: string, name: string): Promise<void> {
  const path = join(directory, latestName);
  await writeWhole(disk, path + partialSuffix, new TextEncoder().encode(`${name}\n`));
  await disk.rename(path + partialSuffix, path);
  await disk.syncDirectory(directory);
}

async function writeWhole(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const file = await disk.create(path);
  try {
    await file.write(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Removes what a crash left: partial folders, and replaced checkpoints whose successor is in place. */
async function removeLeftovers(disk: Disk, directory: string): Promise<void> {
  const names = await disk.list(directory);
  for (const name of names) {
    if (name.endsWith(partialSuffix)) await disk.remove(join(directory, name));
    if (!name.endsWith(replacedSuffix)) continue;
    const successor = name.slice(0, -replacedSuffix.length);
    if (names.includes(successor)) await discard(disk, join(directory, name));
    else await disk.rename(join(directory, name), join(directory, successor));
  }
}

/** After a failure: the partial folder goes, and a checkpoint that was to be replaced gets its name back. */
async function restore(disk: Disk, path: string): Promise<void> {
  try {
    await disk.remove(path + partialSuffix);
    await disk.remove(join(path, '..', latestName + partialSuffix));
    if (!(await disk.exists(path)) && (await disk.exists(path + replacedSuffix))) {
      await disk.rename(path + replacedSuffix, path);
    }
  } catch {
    // The disk refuses this too. The next save removes leftovers, and a load finds a replaced checkpoint under either name.
  }
}

/** Keeps this checkpoint and the latest before it. Those of later steps, from before a resume at an earlier one, go first. */
async function removeOld(
  disk: Disk,
  directory: string,
  { saved, step, keep }: { saved: string; step: number; keep: number },
): Promise<readonly string[]> {
  try {
    const others = (await listCheckpoints(disk, directory)).filter(({ name }) => name !== saved);
    const replaced = others.filter(({ name }) => name.endsWith(replacedSuffix));
    const byAge = others
      .filter((other) => !replaced.includes(other))
      .sort((a, b) => Number(a.step > step) - Number(b.step > step) || b.step - a.step);
    for (const { path } of [...replaced, ...byAge.slice(Math.max(keep, 1) - 1)]) await discard(disk, path);
    return [];
  } catch (error) {
    return [`an older checkpoint in ${directory} could not be removed: ${(error as Error).message}`];
  }
}

/** Removes a checkpoint, never leaving part of it under its name. */
async function discard(disk: Disk, path: string): Promise<void> {
  await disk.rename(path, path + partialSuffix);
  await disk.remove(path + partialSuffix);
}

async function explain(disk: Disk, directory: string, options: SaveOptions, error: unknown): Promise<unknown> {
  if (error instanceof DiagnosticError) return error;
  const previous = await readLatest(disk, directory).catch(() => null);
  const p = { directory, step: options.state.step, previous: previous && join(directory, basename(previous)) };
  if (errorCode(error) === 'ENOSPC' || errorCode(error) === 'EDQUOT') {
    const bytes = safetensorsBytes(options.model) + safetensorsBytes(options.optimizer);
    return diskFull({ ...p, bytes }, { cause: error });
  }
  return saveFailed({ ...p, problem: error instanceof Error ? error.message : String(error) }, { cause: error });
}
