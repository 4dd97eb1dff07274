import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseManifest, writeManifest } from '../../src/checkpoint/manifest.js';

/** Makes the last element of a checkpoint's f32 tensor a NaN, hashes included: as a run that went wrong unseen would have saved it. */
export const poison = (checkpoint: string, tensor: string): void =>
  change(checkpoint, tensor, (bytes) => bytes.writeFloatLE(NaN, bytes.length - 4));

/** Multiplies every element of a checkpoint's f32 tensor. */
export const scale = (checkpoint: string, tensor: string, by: number): void =>
  change(checkpoint, tensor, (bytes) => {
    for (let at = 0; at < bytes.length; at += 4) bytes.writeFloatLE(by * bytes.readFloatLE(at), at);
  });

function change(checkpoint: string, tensor: string, alter: (bytes: Buffer) => void): void {
  const manifestFile = path.join(checkpoint, 'manifest.json');
  const manifest = parseManifest(readFileSync(manifestFile), manifestFile);
  const { file } = manifest.tensors[tensor];
  const bytes = readFileSync(path.join(checkpoint, file));
  // safetensors: the header's length, the header, the data.
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<string, { data_offsets: [number, number] }>;
  const [from, to] = header[tensor].data_offsets.map((offset) => start + offset);
  alter(bytes.subarray(from, to));
  writeFileSync(path.join(checkpoint, file), bytes);
  const sha256 = (part: Uint8Array) => createHash('sha256').update(part).digest('hex');
  const { sha256: _, ...content } = manifest;
  const written = writeManifest({
    ...content,
    files: { ...manifest.files, [file]: { bytes: bytes.length, sha256: sha256(bytes) } },
    tensors: {
      ...manifest.tensors,
      [tensor]: { ...manifest.tensors[tensor], sha256: sha256(bytes.subarray(from, to)) },
    },
  });
  writeFileSync(manifestFile, written);
}
