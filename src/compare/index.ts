export { compareRuns, type CompareOptions } from './compare.js';
export type { Comparison, Verdict } from './comparison.js';
export { comparisonText } from './text.js';
