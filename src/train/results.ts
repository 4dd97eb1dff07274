/** Reading what a step gives. */
import { decode } from '../engine/host_array.js';
import type { LoadedProgram } from '../engine/engine.js';
import { placeOfRank } from '../engine/native/load_class.js';

/** A scalar result; null where the rank's stage does not have it. */
export async function readResult(loaded: LoadedProgram, rank: number, name: string): Promise<number | null> {
  const { results, values } = placeOfRank(loaded.program, rank).rankClass;
  const index = results[name];
  return index === undefined ? null : decode(values[index].type.dtype, await loaded.read({ rank, name }))[0];
}
