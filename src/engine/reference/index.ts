export { ReferenceEngine } from './engine.js';
export { execute, type ExecuteOptions, type Execution } from './execute.js';
export type { Workspaces } from './instructions.js';
export { adversaries, hold, inOrder, rush, type Policy } from './policy.js';
export type { Observer } from './machine.js';
export { gatherValue, gatherValues, scatterValues } from './shards.js';
export { loadClasses, type VirtualRank } from './virtual_rank.js';
