export { compareRuns, type CompareOptions } from './compare.js';
export { compareWithSerial, type SerialComparison, type SerialOptions } from './compare_with_serial.js';
export type { Comparison, Verdict } from './comparison.js';
export type { OpenEngines, OpenedEngines } from './replay/engines.js';
export { comparisonText, serialComparisonText } from './text.js';
