/**
 * Finding, checking and reading checkpoints.
 *
 * A load never takes an older checkpoint than `latest` names without being told to: training that silently went back a thousand
 * steps is worse than an error that says which one is good.
 */
import { join } from 'node:path';
import { DiagnosticError, nearest } from '../ir/diagnostic.js';
import {
  fileCorrupt,
  manifestInvalid,
  noCheckpoint,
  suggestPrevious,
  tensorsDiffer,
  unknownTensor,
} from './diagnostics.js';
import type { Disk } from './disk.js';
import { errorCode } from './disk.js';
import type { Manifest, TensorKind } from './manifest.js';
import { parseManifest } from './manifest.js';
import { listCheckpoints, manifestName, readLatest, replacedSuffix } from './names.js';
import type { SafetensorsFile } from './safetensors.js';
import { openSafetensors } from './safetensors.js';
import type { TensorInfo, TensorSource } from './tensor.js';
import { tensorText } from './tensor.js';
import type { Tile } from './tile.js';
import { readTile } from './tile.js';

export interface LoadOptions {
  /**
   * `content` reads every byte and compares hashes (about a second a gigabyte); `structure` compares sizes, names, dtypes and
   * shapes, which finds what a crash leaves but not a flipped bit.
   */
  readonly verify?: 'content' | 'structure';
}

/** An open checkpoint: its manifest, and its tensors by name, read where they are asked for. */
export class Checkpoint {
  readonly path: string;
  readonly manifest: Manifest;
  readonly #files: ReadonlyMap<string, SafetensorsFile>;

  constructor(path: string, manifest: Manifest, files: ReadonlyMap<string, SafetensorsFile>) {
    this.path = path;
    this.manifest = manifest;
    this.#files = files;
  }

  /** Names of one kind of tensor, or of all. */
  names(kind?: TensorKind): readonly string[] {
    const { tensors } = this.manifest;
    return Object.keys(tensors).filter((name) => kind === undefined || tensors[name].kind === kind);
  }

  has(name: string): boolean {
    return Object.hasOwn(this.manifest.tensors, name);
  }

  /** dtype and global shape of a tensor. Throws `checkpoint/unknown-tensor`. */
  tensor(name: string): TensorInfo {
    return this.#fileOf(name).tensor(name);
  }

  /** A whole tensor, row-major, little-endian. */
  read(name: string): Promise<Uint8Array> {
    return this.#fileOf(name).read(name);
  }

  /** The part of a tensor that one rank holds. */
  readTile(name: string, tile: Tile): Promise<Uint8Array> {
    return readTile(this.#fileOf(name), name, tile);
  }

  stream(name: string): AsyncIterable<Uint8Array> {
    return this.#fileOf(name).stream(name);
  }

  /** A tensor as what a save takes. */
  source(name: string): TensorSource {
    return this.#fileOf(name).source(name);
  }

  async close(): Promise<void> {
    for (const file of this.#files.values()) await file.close();
  }

  #fileOf(name: string): SafetensorsFile {
    if (this.has(name)) return this.#files.get(this.manifest.tensors[name].file)!;
    throw unknownTensor({ file: this.path, tensor: name, nearest: nearest(name, this.names()) });
  }
}

/**
 * The checkpoint in a folder that `latest` names, or the one of the highest step where `latest` is missing.
 * Throws `checkpoint/none-found`; or what is wrong with it, naming the newest good one beside it.
 */
export async function openLatest(disk: Disk, directory: string, options: LoadOptions = {}): Promise<Checkpoint> {
  const candidates = await listCheckpoints(disk, directory);
  if (candidates.length === 0) throw noCheckpoint({ directory });
  const latest = await readLatest(disk, directory);
  // A crash while a checkpoint of the same step takes its place leaves the old one under its second name.
  const named =
    candidates.find(({ name }) => name === latest) ??
    candidates.find(({ name }) => latest !== null && name === latest + replacedSuffix);
  const inOrder = named ? [named, ...candidates.filter((candidate) => candidate !== named)] : candidates;

  let failure: DiagnosticError | null = null;
  for (const { path } of inOrder) {
    const opened = await openCheckpoint(disk, path, options).catch(asDiagnostic);
    if (opened instanceof DiagnosticError) failure ??= opened;
    else if (failure === null) return opened;
    else {
      await opened.close();
      throw suggestPrevious(failure, path);
    }
  }
  throw failure ? suggestPrevious(failure, null) : noCheckpoint({ directory });
}

/**
 * Opens one checkpoint by its folder. Throws `checkpoint/manifest-invalid` or `checkpoint/file-corrupt`, naming the file and, where one is to
 * blame, the tensor.
 */
export async function openCheckpoint(disk: Disk, path: string, options: LoadOptions = {}): Promise<Checkpoint> {
  const manifest = parseManifest(await readManifest(disk, path), join(path, manifestName));
  const files = new Map<string, SafetensorsFile>();
  try {
    for (const [name, stated] of Object.entries(manifest.files)) {
      const file = await orCorrupt(join(path, name), () => openSafetensors(disk, join(path, name)));
      files.set(name, file);
      compareWithManifest(name, file, manifest);
      if ((options.verify ?? 'content') === 'content') await verifyContent(file, stated, manifest);
    }
    return new Checkpoint(path, manifest, files);
  } catch (error) {
    for (const file of files.values()) await file.close();
    throw error;
  }
}

/**
 * Checks that a checkpoint holds exactly these tensors, of one kind or of all. Throws `checkpoint/tensors-differ` with what is missing,
 * left over, or of another type.
 */
export function expectTensors(checkpoint: Checkpoint, expected: readonly TensorInfo[], kind?: TensorKind): void {
  const differences: string[] = [];
  for (const tensor of expected) {
    if (!checkpoint.has(tensor.name)) {
      differences.push(`'${tensor.name}' is missing`);
      continue;
    }
    const found = tensorText(checkpoint.tensor(tensor.name));
    if (found !== tensorText(tensor)) {
      differences.push(`'${tensor.name}' is ${found} there and ${tensorText(tensor)} here`);
    }
  }
  const known = new Set(expected.map(({ name }) => name));
  for (const name of checkpoint.names(kind)) if (!known.has(name)) differences.push(`'${name}' is not in this model`);
  if (differences.length > 0) throw tensorsDiffer({ checkpoint: checkpoint.path, differences });
}

function asDiagnostic(error: unknown): DiagnosticError {
  if (error instanceof DiagnosticError) return error;
  throw error;
}

async function readManifest(disk: Disk, path: string): Promise<Uint8Array> {
  const file = join(path, manifestName);
  try {
    const open = await disk.open(file);
    try {
      return await open.read(0, open.bytes);
    } finally {
      await open.close();
    }
  } catch (error) {
    const problem = errorCode(error) === 'ENOENT' ? 'it is missing' : (error as Error).message;
    throw manifestInvalid({ file, problem }, { cause: error });
  }
}

function compareWithManifest(name: string, file: SafetensorsFile, manifest: Manifest): void {
  const corrupt = (problem: string, tensor?: string) =>
    fileCorrupt({ file: file.path, problem, ...(tensor !== undefined && { tensor }) });
  for (const [tensor, stated] of Object.entries(manifest.tensors)) {
    if (stated.file !== name) continue;
    const found = file.tensors.get(tensor);
    if (!found) throw corrupt(`its header does not list the tensor, ${manifestName} does`, tensor);
    if (tensorText(found) !== tensorText(stated)) {
      throw corrupt(`its header says ${tensorText(found)}, ${manifestName} says ${tensorText(stated)}`, tensor);
    }
  }
  for (const tensor of file.tensors.keys()) {
    if (manifest.tensors[tensor]?.file !== name) throw corrupt(`${manifestName} does not list the tensor`, tensor);
  }
}

async function verifyContent(
  file: SafetensorsFile,
  stated: Manifest['files'][string],
  manifest: Manifest,
): Promise<void> {
  const found = await orCorrupt(file.path, () => file.hashes());
  const problem = `its bytes are not those that were saved: their SHA-256 differs from the one in ${manifestName}`;
  for (const [tensor, sha256] of found.tensors) {
    if (sha256 !== manifest.tensors[tensor].sha256) throw fileCorrupt({ file: file.path, tensor, problem });
  }
  if (found.sha256 !== stated.sha256) throw fileCorrupt({ file: file.path, problem: `in its header, ${problem}` });
}

/** Runs a read; what the disk throws becomes `checkpoint/file-corrupt`. */
async function orCorrupt<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof DiagnosticError) throw error;
    const problem = errorCode(error) === 'ENOENT' ? 'it is missing' : (error as Error).message;
    throw fileCorrupt({ file, problem }, { cause: error });
  }
}
