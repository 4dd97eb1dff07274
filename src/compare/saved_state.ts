/** Hashes of the state that a run has saved. */
import { addContent, hashWords } from '../engine/content_hash.js';
import type { DType } from '../ir/dtype.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { elementsFrom } from '../run/blocks.js';
import { hex } from '../run/digests.js';
import { openRunCheckpoint } from '../run/open_checkpoint.js';
import type { Side } from './side.js';

/** Of every tensor of the checkpoint of a step; null where there is none that can be read. */
export async function savedHashes(
  { folder, resolved }: Side,
  step: number,
): Promise<ReadonlyMap<string, string> | null> {
  try {
    const checkpoint = await openRunCheckpoint(folder, resolved.config, { step, verify: 'structure' });
    try {
      const hashes = new Map<string, string>();
      for (const name of checkpoint.names()) {
        const sums = new Uint32Array(hashWords);
        const block = elementsFrom(checkpoint.tensor(name).dtype as DType, await checkpoint.read(name));
        addContent(sums, block, { at: 0, start: 0, sizes: [block.length], strides: [1] });
        hashes.set(name, hex(sums));
      }
      return hashes;
    } finally {
      await checkpoint.close();
    }
  } catch (error) {
    if (error instanceof DiagnosticError) return null;
    throw error;
  }
}
