export { checkPlacement } from './check.js';
export { intervalProblem, type IntervalBuffer } from './intervals.js';
export { lifetimeProblem, mayFollow, type LifetimeBuffer } from './lifetimes.js';
export { planMemory, type MemoryPlan, type PlanMemoryOptions } from './plan.js';
export { alignUp, DEFAULT_ALIGNMENT } from './problem.js';
