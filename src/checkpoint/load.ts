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
  noSuchStep,
  otherRuns,
  suggestPrevious,
  tensorsDiffer,
  unknownTensor,
} from './diagnostics.js';
import type { Disk, PathKind } from './disk.js';
import { errorCode, systemProblem } from '../ir/system_error.js';
import type { Manifest, TensorKind } from './manifest.js';
import { parseManifest } from './manifest.js';
import type { FoundCheckpoint } from './names.js';
import { listCheckpoints, manifestName, readLatest } from './names.js';
import type { SafetensorsFile } from './safetensors.js';
import { openSafetensors } from './safetensors.js';
import type { TensorInfo, TensorSource } from './tensor.js';
import { clip, tensorText } from './tensor.js';
import type { Box } from './box.js';
import { readBox } from './box.js';

export interface LoadOptions {
  /**
   * `content` reads every byte and compares hashes (about a second a gigabyte); `structure` compares sizes, names, dtypes and
   * shapes, which finds what a crash leaves but not a flipped bit.
   */
  readonly verify?: 'content' | 'structure';
  /** Id of the run that a checkpoint must be of; one that names no run is anybody's. Absent: of any. */
  readonly run?: string;
}

/** An open checkpoint: its manifest, and its tensors by name, read where they are asked for. */
export class Checkpoint {
  readonly path: string;
  readonly manifest: Manifest;
  /** Of all its files, the manifest among them: what its save has told. */
  readonly bytes: number;
  readonly #files: ReadonlyMap<string, SafetensorsFile>;

  constructor(path: string, manifest: Manifest, manifestBytes: number, files: ReadonlyMap<string, SafetensorsFile>) {
    this.path = path;
    this.manifest = manifest;
    this.bytes = Object.values(manifest.files).reduce((sum, file) => sum + file.bytes, manifestBytes);
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
  readTile(name: string, tile: Box): Promise<Uint8Array> {
    return readBox(this.#fileOf(name), name, tile);
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
  const latest = await readLatest(disk, directory);
  const candidates: FoundCheckpoint[] = [];
  for (const one of await candidatesIn(disk, directory)) {
    // A folder that nothing calls a checkpoint but its name is somebody's own.
    if (one.name === latest || (await disk.kind(join(one.path, manifestName))) !== null) candidates.push(one);
  }
  if (candidates.length === 0) throw noCheckpoint({ directory });
  // A crash while a checkpoint of the same step takes its place leaves the old one under its second name.
  const named =
    candidates.find(({ name }) => name === latest) ??
    candidates.find(({ name }) => latest !== null && name.startsWith(`${latest}.`));
  return openFirst(
    disk,
    named ? [named, ...candidates.filter((candidate) => candidate !== named)] : candidates,
    options,
  );
}

/**
 * The checkpoint of a step. Throws `checkpoint/no-such-step`, naming the nearest steps that there are; or what is wrong with it, naming
 * the newest good one beside it.
 */
export async function openStep(
  disk: Disk,
  directory: string,
  step: number,
  options: LoadOptions = {},
): Promise<Checkpoint> {
  const candidates = await candidatesIn(disk, directory);
  const wanted = candidates.filter((candidate) => candidate.step === step);
  if (wanted.length === 0) {
    const steps = candidates.map((candidate) => candidate.step);
    // From the highest on.
    const [below, above] = [steps.find((one) => one < step), steps.findLast((one) => one > step)];
    const near = [below, above].filter((one) => one !== undefined);
    throw noSuchStep({ directory, step: String(step), steps: near });
  }
  // Where something of another's has the step's own name, the run's is beside it: the first that is the run's.
  const own: FoundCheckpoint[] = [];
  for (const candidate of wanted) if (await namesRun(disk, candidate.path, options.run)) own.push(candidate);
  return openFirst(
    disk,
    [...(own.length > 0 ? own : wanted), ...candidates.filter((candidate) => candidate.step !== step)],
    options,
  );
}

/** Throws `checkpoint/none-found`. */
async function candidatesIn(disk: Disk, directory: string): Promise<readonly FoundCheckpoint[]> {
  const candidates = await listCheckpoints(disk, directory);
  if (candidates.length === 0) throw noCheckpoint({ directory });
  return candidates;
}

const namesRun = async (disk: Disk, path: string, run: string | undefined): Promise<boolean> => {
  const manifest = await readManifest(disk, path).catch(asDiagnostic);
  return !(manifest instanceof DiagnosticError) && (run === undefined || manifest.run === run);
};

/** The first of the candidates, which must be good: another only takes its place in what is advised. */
async function openFirst(
  disk: Disk,
  candidates: readonly FoundCheckpoint[],
  options: LoadOptions,
): Promise<Checkpoint> {
  let failure: DiagnosticError | null = null;
  for (const { path, step } of candidates) {
    const opened = await openCheckpoint(disk, path, options).catch(asDiagnostic);
    if (opened instanceof DiagnosticError) failure ??= opened;
    else if (failure === null) return opened;
    else {
      await opened.close();
      throw suggestPrevious(failure, { path, step, isOfStep: step !== candidates[0].step });
    }
  }
  throw suggestPrevious(failure!, null);
}

/**
 * Opens one checkpoint by its folder. Throws `checkpoint/of-another-run`, `checkpoint/manifest-invalid` or `checkpoint/file-corrupt`,
 * naming the file and, where one is to blame, the tensor.
 */
export async function openCheckpoint(disk: Disk, path: string, options: LoadOptions = {}): Promise<Checkpoint> {
  const manifestFile = join(path, manifestName);
  const manifestBytes = await readManifestBytes(disk, path, manifestFile);
  const manifest = parseManifest(manifestBytes, manifestFile);
  if (options.run !== undefined && manifest.run !== undefined && manifest.run !== options.run)
    throw otherRuns({ path, run: clip(manifest.run) });
  const files = new Map<string, SafetensorsFile>();
  try {
    for (const [name, stated] of Object.entries(manifest.files)) {
      const file = await orCorrupt(join(path, name), () => openOwnFile(disk, join(path, name)));
      files.set(name, file);
      compareWithManifest(name, file, manifest);
      if ((options.verify ?? 'content') === 'content') await verifyContent(file, stated, manifest);
    }
    return new Checkpoint(path, manifest, manifestBytes.length, files);
  } catch (error) {
    for (const file of files.values()) await file.close();
    throw error;
  }
}

async function openOwnFile(disk: Disk, path: string): Promise<SafetensorsFile> {
  const kind = await disk.kind(path);
  if (kind !== null && kind !== 'file') throw fileCorrupt({ file: path, problem: notOwn(kind) });
  return openSafetensors(disk, path);
}

const notOwn = (kind: PathKind): string =>
  `it is ${{ link: 'a symbolic link', directory: 'a folder', other: 'no ordinary file', file: 'a file' }[kind]}, and a checkpoint is a folder with files of its own`;

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

/** More than a manifest of a million tensors has. */
const maxManifestBytes = 400e6;

/** Reads the manifest of a checkpoint's folder. Throws `checkpoint/manifest-invalid`, `checkpoint/newer-format`. */
export async function readManifest(disk: Disk, path: string): Promise<Manifest> {
  const file = join(path, manifestName);
  const bytes = await readManifestBytes(disk, path, file);
  return parseManifest(bytes, file);
}

async function readManifestBytes(disk: Disk, path: string, file: string): Promise<Uint8Array> {
  try {
    const [folderKind, kind] = [await disk.kind(path), await disk.kind(file)];
    if (folderKind !== null && folderKind !== 'directory')
      throw manifestInvalid({ file: path, problem: notOwn(folderKind) });
    if (kind !== null && kind !== 'file') throw manifestInvalid({ file, problem: notOwn(kind) });
    const open = await disk.open(file);
    try {
      if (open.bytes > maxManifestBytes) throw manifestInvalid({ file, problem: `it has ${open.bytes} bytes` });
      return await open.read(0, open.bytes);
    } finally {
      await open.close();
    }
  } catch (error) {
    if (error instanceof DiagnosticError) throw error;
    const problem = errorCode(error) === 'ENOENT' ? 'it is missing' : systemProblem(error).problem;
    throw manifestInvalid({ file, problem }, { cause: error });
  }
}

function compareWithManifest(name: string, file: SafetensorsFile, manifest: Manifest): void {
  const corrupt = (problem: string, tensor?: string) =>
    fileCorrupt({ file: file.path, problem, ...(tensor !== undefined && { tensor: clip(tensor) }) });
  for (const [tensor, stated] of Object.entries(manifest.tensors)) {
    if (stated.file !== name) continue;
    const found = file.tensors.get(tensor);
    if (!found) throw corrupt(`its header does not list the tensor, ${manifestName} does`, tensor);
    if (tensorText(found) !== tensorText(stated)) {
      throw corrupt(`its header says ${tensorText(found)}, ${manifestName} says ${tensorText(stated)}`, tensor);
    }
  }
  for (const tensor of file.tensors.keys()) {
    if (!Object.hasOwn(manifest.tensors, tensor) || manifest.tensors[tensor].file !== name)
      throw corrupt(`${manifestName} does not list the tensor`, tensor);
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
    const problem = errorCode(error) === 'ENOENT' ? 'it is missing' : systemProblem(error).problem;
    throw fileCorrupt({ file, problem }, { cause: error });
  }
}
