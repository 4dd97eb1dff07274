/**
 * `manifest.json`: what a checkpoint is, beside the two files that hold its numbers.
 *
 * It names no rank, mesh or plan. Every number that the next step depends on is here or in a tensor, so a run goes on bit
 * for bit under the same plan and to rounding under any other.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { parseFields } from '../ir/parse_json.js';
import { manifestInvalid, newerFormat } from './diagnostics.js';
import type { StoredDType } from './tensor.js';
import { clip, storedDTypeBytes } from './tensor.js';

export const manifestVersion = 2;

const count = z.int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in hexadecimal');

const manifestSchema = z.strictObject({
  flotilla_checkpoint: z.literal([1, manifestVersion]),
  /** The version of flotilla that wrote it. */
  written_by: z.string(),
  /** Id of the run that it is a checkpoint of; those written before runs had ids have none, and are nobody's to remove. */
  run: z.string().optional(),
  model: z.strictObject({ name: z.string(), hash: z.string() }),
  config_hash: z.string(),
  /** Steps done. */
  step: count,
  tokens_seen: count,
  /** Sequences read since the run began: where the next step goes on in the order. Format 1 has none. */
  samples_seen: count.optional(),
  /** The order of sequences is a function of the seed. */
  data: z.strictObject({ seed: count, step: count }),
  /** So is every random number, with the op and the element's global index. */
  randomness: z.strictObject({ seed: count, step: count }),
  /** The number of steps that the learning-rate schedule was made for. */
  schedule: z.strictObject({ total_steps: count }),
  /** Updates made: fewer than steps where some were left out. */
  optimizer: z.strictObject({ name: z.string(), step: count }),
  files: z.record(z.string(), z.strictObject({ bytes: count, sha256 })),
  tensors: z.record(
    z.string(),
    z.strictObject({
      file: z.string(),
      kind: z.enum(['parameter', 'optimizer', 'buffer']),
      dtype: z.enum(Object.keys(storedDTypeBytes) as StoredDType[]),
      shape: z.array(count),
      sha256,
    }),
  ),
  /** Of everything above, in canonical JSON: a digit that flips on disk does not become another step number. */
  sha256,
});

export type Manifest = z.infer<typeof manifestSchema>;
export type TensorKind = Manifest['tensors'][string]['kind'];

/** What the caller of a save states; the rest of the manifest follows from the files. */
export type CheckpointState = Pick<
  Manifest,
  | 'run'
  | 'model'
  | 'config_hash'
  | 'step'
  | 'tokens_seen'
  | 'samples_seen'
  | 'data'
  | 'randomness'
  | 'schedule'
  | 'optimizer'
>;

/** A manifest as the bytes of its file, with its own hash filled in. */
export function writeManifest(content: Omit<Manifest, 'sha256'>): Uint8Array {
  const manifest: Manifest = { ...content, sha256: hashOf(content) };
  return new TextEncoder().encode(`${JSON.stringify(manifest, null, 1)}\n`);
}

/** Reads a manifest. Throws `checkpoint/manifest-invalid`, naming the field, or `checkpoint/newer-format`. */
export function parseManifest(bytes: Uint8Array, file: string): Manifest {
  let json: unknown;
  try {
    json = parseFields(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw manifestInvalid({ file, problem: `it is not JSON: ${clip((error as Error).message)}` }, { cause: error });
  }
  const version =
    typeof json === 'object' && json !== null && 'flotilla_checkpoint' in json && json.flotilla_checkpoint;
  if (typeof version === 'number' && version > manifestVersion) {
    throw newerFormat({ file, version, known: manifestVersion });
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0];
    throw manifestInvalid({ file, ...(path.length > 0 && { field: clip(path.join('.')) }), problem: clip(message) });
  }
  const { sha256: stated, ...content } = parsed.data;
  if (hashOf(content) !== stated) {
    throw manifestInvalid({ file, field: 'sha256', problem: 'its content is not what its own hash was made from' });
  }
  for (const name of Object.keys(content.files)) {
    if (!fileNamePattern.test(name)) {
      const problem = `'${clip(name)}' is no name of a file in its own folder`;
      throw manifestInvalid({ file, field: 'files', problem });
    }
  }
  for (const [name, tensor] of Object.entries(content.tensors)) {
    if (!Object.hasOwn(content.files, tensor.file)) {
      throw manifestInvalid({
        file,
        field: `tensors.${clip(name)}.file`,
        problem: `'${clip(tensor.file)}' is not among its files`,
      });
    }
  }
  return parsed.data;
}

/** A file of the checkpoint's own folder: no separator, no `..`, nothing hidden. */
const fileNamePattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,250}$/;

/** JSON with sorted keys and no spaces: the same text for the same content. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join(',')}}`;
}

const hashOf = (content: Omit<Manifest, 'sha256'>): string =>
  createHash('sha256').update(canonicalJson(content)).digest('hex');
