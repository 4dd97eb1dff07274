/** The state that a run begins with: first values, or a checkpoint's. Each rank reads or makes its own tiles only. */
import type { Checkpoint } from '../checkpoint/index.js';
import { expectTensors } from '../checkpoint/index.js';
import type { LoadedProgram } from '../engine/engine.js';
import { written } from '../ir/role.js';
import { shapeOf, type TensorType } from '../ir/type.js';
import type { TracedParameter } from '../nn/trace.js';
import type { Tile } from '../reshard/region.js';
import { boxOf, elementsFrom, initialBlock, isWhole } from './blocks.js';
import type { StateTensor } from './state.js';

/** Parameters by their first values; optimizer state is zero, as arenas are when they are made. */
export async function initializeState(
  program: LoadedProgram,
  tensors: readonly StateTensor[],
  parameters: readonly TracedParameter[],
  seed: number,
): Promise<void> {
  const inits = new Map(parameters.map((parameter) => [written(parameter.name), parameter]));
  for (const { name: stored, kind, global, blocks } of tensors) {
    const parameter = kind === 'parameter' ? inits.get(stored) : undefined;
    if (!parameter) continue;
    const { name, init } = parameter;
    for (const { rank, tiles, value, elements } of blocks) {
      await program.write({ rank, name: value, elements }, initialBlock(init, { seed, name }, global, tiles));
    }
  }
}

/** Throws `checkpoint/tensors-differ` where the checkpoint is another model's. */
export const expectState = (checkpoint: Checkpoint, tensors: readonly StateTensor[]): void =>
  expectTensors(
    checkpoint,
    tensors.map(({ name, global }) => ({ name, dtype: global.dtype, shape: shapeOf(global) })),
  );

/** Throws `checkpoint/tensors-differ` where the checkpoint is another model's. */
export async function restoreState(
  program: LoadedProgram,
  tensors: readonly StateTensor[],
  checkpoint: Checkpoint,
): Promise<void> {
  expectState(checkpoint, tensors);
  await restoreTensors(program, tensors, checkpoint);
}

/** Reads these tensors and no others: sampling takes the parameters of a checkpoint and leaves the optimizer's state. */
export async function restoreTensors(
  program: LoadedProgram,
  tensors: readonly StateTensor[],
  checkpoint: Checkpoint,
): Promise<void> {
  for (const { name, global, blocks } of tensors) {
    for (const { rank, tiles, value, elements } of blocks) {
      const bytes = isWhole(global, tiles)
        ? await checkpoint.read(name)
        : await readTiles(checkpoint, name, global, tiles);
      await program.write({ rank, name: value, elements }, elementsFrom(global.dtype, bytes));
    }
  }
}

/** The bytes of tiles, one behind the other. */
async function readTiles(
  checkpoint: Checkpoint,
  name: string,
  global: TensorType,
  tiles: readonly Tile[],
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (const tile of tiles) parts.push(await checkpoint.readTile(name, boxOf(global, tile)));
  return parts.length === 1 ? parts[0] : Buffer.concat(parts);
}
