/**
 * Prices that make the partitioner choose by whim. Meaning and choice are apart: whatever it chooses among its candidates, the result
 * must be right; good prices only make it cheap, and on small models always make the same few choices.
 */
import type { Mesh } from '../../src/ir/mesh.js';
import { defaultCosts, type PartitionCosts } from '../../src/partition/costs.js';
import { oneMachine } from '../../src/cost/index.js';
import { ReshardSearch } from '../../src/reshard/index.js';
import { uniform } from './scenario.js';

/** Seed 0: the prices that the compiler has by default. 1: bytes and flops count, latencies do not. Others: whims. */
export function whim(meshes: readonly Mesh[], seed: number): PartitionCosts {
  if (seed === 0) return defaultCosts(meshes);
  const free = { ...oneMachine, launchSeconds: 1e-12, latencySeconds: 0 };
  if (seed === 1) return defaultCosts(meshes, free);
  let asked = 0;
  return { ...defaultCosts(meshes, free), opSeconds: () => uniform(`whim ${seed} ${asked++}`), repeatSeconds: 0 };
}

/** Prices of everything by a seed: of ops, collectives and messages. Asked again, they price alike. */
export function anyPrices(meshes: readonly Mesh[], seed: number): PartitionCosts {
  const draw = (what: unknown) => uniform(`price ${seed} ${JSON.stringify(what)}`);
  return {
    ...defaultCosts(meshes),
    reshards: meshes.map((mesh) => new ReshardSearch(mesh, draw)),
    transferSeconds: draw,
    opSeconds: (...work) => draw(work),
    repeatSeconds: draw('repeat'),
  };
}
