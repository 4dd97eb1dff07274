/** What a run shows and writes: the panel, metrics, the summary. */
export { readMetrics } from './metrics.js';
export { attachPanel } from './panel.js';
export { summaryFile } from './summary_file.js';
