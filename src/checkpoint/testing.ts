/** What the tests of this folder share: small checkpoints whose every byte follows from names and steps. */
import type { CheckpointState } from './manifest.js';
import type { SaveOptions } from './save.js';
import type { TensorInfo, TensorSource } from './tensor.js';
import { tensorBytes } from './tensor.js';

export const parameters: readonly TensorInfo[] = [
  { name: 'embedding.weight', dtype: 'f32', shape: [5, 4] },
  { name: 'blocks.0.attention.qkv.weight', dtype: 'bf16', shape: [4, 12] },
  { name: 'blocks.0.norm.weight', dtype: 'f32', shape: [4] },
  { name: 'scale', dtype: 'f64', shape: [] },
];

export const optimizerState: readonly TensorInfo[] = parameters.flatMap(({ name, shape }) => [
  { name: `optimizer.exp_avg.${name}`, dtype: 'f32', shape },
  { name: `optimizer.exp_avg_sq.${name}`, dtype: 'f32', shape },
]);

/** Bytes that depend on the tensor's name, the step and the index; small ones, none of which end a number that is not finite. */
export function patternBytes(tensor: TensorInfo, step: number): Uint8Array {
  const seed = [...tensor.name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 65521, step);
  return Uint8Array.from({ length: tensorBytes(tensor) }, (_, index) => (seed * (index + 1) + (index >> 3)) % 113);
}

/** A source that hands its bytes over in small chunks, all in one reused buffer, as a runtime gathering shards does. */
export function patternSource(tensor: TensorInfo, step: number, chunkBytes = 50): TensorSource {
  return {
    ...tensor,
    async *read() {
      const bytes = patternBytes(tensor, step);
      const buffer = new Uint8Array(chunkBytes);
      for (let at = 0; at < bytes.length; at += chunkBytes) {
        const chunk = bytes.subarray(at, at + chunkBytes);
        buffer.set(chunk);
        yield buffer.subarray(0, chunk.length);
      }
    },
  };
}

/** The run whose checkpoints these are. */
export const run = '0123456789abcdef';

export const stateAt = (step: number): CheckpointState & { readonly run: string } => ({
  run,
  model: { name: 'gpt', hash: 'abc' },
  config_hash: 'def',
  step,
  tokens_seen: step * 1024,
  samples_seen: step * 8,
  data: { seed: 7, step },
  randomness: { seed: 8, step },
  schedule: { total_steps: 1000 },
  optimizer: { name: 'adamw', step },
});

export const saveOptionsAt = (step: number, keep = 2): SaveOptions => ({
  state: stateAt(step),
  model: parameters.map((tensor) => patternSource(tensor, step)),
  optimizer: optimizerState.map((tensor) => patternSource(tensor, step)),
  keep,
  writtenBy: 'flotilla 0.0.0',
});
