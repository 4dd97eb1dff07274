export { ReferenceEngine } from './engine.js';
export { execute, type ExecuteOptions, type Execution } from './execute.js';
export type { Workspaces } from './instructions.js';
export { adversaries, hold, rush, type Policy } from './policy.js';
export { gatherValue, gatherValues, scatterValues } from './shards.js';
export { loadClasses } from './virtual_rank.js';
