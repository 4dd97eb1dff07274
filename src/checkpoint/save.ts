/**
 * Saving a checkpoint so that at every instant, power cuts included, the folder holds a whole one.
 *
 *   1. write step-000100.RUN.tmp/ and sync its files and its names
 *   2. rename it to step-000100            from here on it exists, whole
 *   3. rename latest.RUN.tmp to latest     from here on it is what a resume takes
 *   4. remove the oldest beyond `keep`, each renamed to .RUN.tmp first, so that a step-NNNNNN is whole as long as it exists
 *
 * A save never changes a byte of what an earlier one wrote. Where step 1 or 2 fails (a full disk), the partial folder is removed
 * and the previous checkpoint is as it was. A number that is not finite fails step 1: what is saved can be gone on from, so that what
 * `keep` removes is never the last good one. Only checkpoints whose manifest names the run are replaced or removed.
 */
import { basename, join } from 'node:path';
import { DiagnosticError } from '../ir/diagnostic.js';
import { diskFull, saveFailed, stateNotFinite, tensorNotFinite } from './diagnostics.js';
import type { Disk } from './disk.js';
import { errorCode, systemProblem } from '../ir/system_error.js';
import { finiteSource } from './finite.js';
import { readManifest } from './load.js';
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
  /** `run`: the id of the run that saves, which the folder is marked with. */
  readonly state: CheckpointState & { readonly run: string };
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

/**
 * Saves a checkpoint. Throws `checkpoint/disk-full`, `checkpoint/save-failed` or `checkpoint/not-finite`; the previous one is then
 * intact.
 */
export async function saveCheckpoint(disk: Disk, directory: string, options: SaveOptions): Promise<SavedCheckpoint> {
  const place: Place = { disk, directory, run: options.state.run };
  const { step } = options.state;
  let path = join(directory, checkpointName(step));
  let bytes: number;
  try {
    await disk.makeDirectory(directory);
    await removeLeftovers(place);
    path = await ownPath(place, step);
    const partial = path + partialSuffix(place.run);
    bytes = await writeFiles(disk, partial, options);
    if ((await disk.kind(path)) !== null) await disk.rename(path, path + replacedSuffix(place.run));
    await disk.rename(partial, path);
    await disk.syncDirectory(directory);
    await writeLatest(place, basename(path));
  } catch (error) {
    await restore(place, path);
    throw await explain(place, options, error);
  }
  return { path, step, bytes, warnings: await removeOld(place, { path, step, keep: options.keep }) };
}

/** Where a run saves. */
interface Place {
  readonly disk: Disk;
  readonly directory: string;
  /** Its id. */
  readonly run: string;
}

/** Where a checkpoint of a step goes: its name, or a variation of it where something that is not the run's has that. */
async function ownPath(place: Place, step: number): Promise<string> {
  for (let variation = 1; ; variation++) {
    const path = join(place.directory, `${checkpointName(step)}${variation === 1 ? '' : `-${variation}`}`);
    if ((await place.disk.kind(path)) === null || (await isOwn(place, path))) return path;
  }
}

/** Whether a folder is a checkpoint that this run has written: what cannot be read is nobody's to remove. */
async function isOwn({ disk, run }: Place, path: string): Promise<boolean> {
  try {
    return (await readManifest(disk, path)).run === run;
  } catch (error) {
    if (error instanceof DiagnosticError) return false;
    throw error;
  }
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
    const written = await writeSafetensors(disk, join(folder, file), sources.map(finiteSource));
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

async function writeLatest({ disk, directory, run }: Place, name: string): Promise<void> {
  const path = join(directory, latestName);
  const partial = path + partialSuffix(run);
  await writeWhole(disk, partial, new TextEncoder().encode(`${name}\n`));
  await disk.rename(partial, path);
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

/** Removes what a crash of this run left: partial folders, and replaced checkpoints whose successor is in place. */
async function removeLeftovers(place: Place): Promise<void> {
  const { disk, directory, run } = place;
  const replaced = replacedSuffix(run);
  const names = await disk.list(directory);
  for (const name of names) {
    if (name.endsWith(partialSuffix(run))) await disk.remove(join(directory, name));
    if (!name.endsWith(replaced)) continue;
    const successor = name.slice(0, -replaced.length);
    if (names.includes(successor)) await discard(place, join(directory, name));
    else await disk.rename(join(directory, name), join(directory, successor));
  }
}

/** After a failure: the partial folder goes, and a checkpoint that was to be replaced gets its name back. */
async function restore({ disk, directory, run }: Place, path: string): Promise<void> {
  try {
    await disk.remove(path + partialSuffix(run));
    await disk.remove(join(directory, latestName + partialSuffix(run)));
    const replaced = path + replacedSuffix(run);
    if ((await disk.kind(path)) === null && (await disk.kind(replaced)) !== null) await disk.rename(replaced, path);
  } catch {
    // The disk refuses this too. The next save removes leftovers, and a load finds a replaced checkpoint under either name.
  }
}

/** Keeps this checkpoint and the latest before it. Those of later steps, from before a resume at an earlier one, go first. */
async function removeOld(
  place: Place,
  { path: saved, step, keep }: { path: string; step: number; keep: number },
): Promise<readonly string[]> {
  try {
    const found = await listCheckpoints(place.disk, place.directory);
    const isReplaced = (name: string) => name.endsWith(replacedSuffix(place.run));
    for (const { name, path } of found) if (isReplaced(name)) await discard(place, path);
    const others = found
      .filter(({ name, path }) => path !== saved && !isReplaced(name))
      .sort((a, b) => Number(a.step > step) - Number(b.step > step) || b.step - a.step);
    const kept = Math.max(keep, 1) - 1;
    if (others.length <= kept) return [];
    const own: string[] = [];
    for (const { path } of others) if (await isOwn(place, path)) own.push(path);
    for (const path of own.slice(kept)) await discard(place, path);
    return [];
  } catch (error) {
    return [`an older checkpoint in ${place.directory} could not be removed: ${systemProblem(error).problem}`];
  }
}

/** Removes a checkpoint of this run, never leaving part of it under its name. */
async function discard({ disk, run }: Place, path: string): Promise<void> {
  await disk.rename(path, path + partialSuffix(run));
  await disk.remove(path + partialSuffix(run));
}

async function explain({ disk, directory }: Place, options: SaveOptions, error: unknown): Promise<unknown> {
  const { step } = options.state;
  const latest = await readLatest(disk, directory).catch(() => null);
  const p = { directory, step, previous: latest && join(directory, basename(latest)) };
  if (error instanceof DiagnosticError) return error.code === tensorNotFinite.code ? stateNotFinite(error, p) : error;
  if (errorCode(error) === 'ENOSPC' || errorCode(error) === 'EDQUOT') {
    const bytes = safetensorsBytes(options.model) + safetensorsBytes(options.optimizer);
    return diskFull({ ...p, bytes }, { cause: error });
  }
  return saveFailed({ ...p, problem: systemProblem(error).problem }, { cause: error });
}
