export type { ArenaView } from './arena.js';
export { ReferenceEngine, type ReferenceEngineOptions } from './engine.js';
export {
  execute,
  instanceName,
  readableValues,
  type ExecuteOptions,
  type Execution,
  type RankBlocks,
} from './execute.js';
export type { BlockedLane, Fault, Observer } from './machine.js';
export {
  adversaries,
  hold,
  inOrder,
  random,
  rush,
  type Policy,
  type PolicyOptions,
  type Runnable,
  type Target,
} from './policy.js';
export { gatherValue, gatherValues, scatterValues, type GlobalValues } from './shards.js';
export { loadClasses, type LoadedClass, type VirtualRank } from './virtual_rank.js';
