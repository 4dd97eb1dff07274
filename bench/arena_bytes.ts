/** The arena as bytes, on any device: filled with a value before a program runs, and searched afterwards for what it has changed. */
import type { AddonEngine } from '../src/engine/native/bridge.js';

const chunkBytes = 1 << 24;

/** Fills the first `bytes` of the arena. */
export async function fillArena(engine: AddonEngine, bytes: number, value: number): Promise<void> {
  const chunk = new Uint8Array(Math.min(bytes, chunkBytes)).fill(value);
  for (let offset = 0; offset < bytes; offset += chunk.length)
    await engine.write(offset, chunk.subarray(0, Math.min(chunk.length, bytes - offset)));
}

/** One more than the address of the last of `bytes` that is not `value`; 0 where all are. */
export async function lastChanged(engine: AddonEngine, bytes: number, value: number): Promise<number> {
  const chunk = new Uint8Array(Math.min(bytes, chunkBytes));
  for (let end = bytes; end > 0; end -= chunk.length) {
    const start = Math.max(0, end - chunk.length);
    const part = chunk.subarray(0, end - start);
    await engine.read(start, part);
    let changed = part.length;
    while (changed > 0 && part[changed - 1] === value) changed--;
    if (changed > 0) return start + changed;
  }
  return 0;
}
