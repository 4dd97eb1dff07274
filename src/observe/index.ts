/** What a run shows and writes: the panel, metrics, the summary. */
export { readMetrics } from '../run/read_metrics.js';
export { checkpointsText, runsText } from './listing.js';
export { attachPanel } from './panel.js';
export { summaryFile } from './summary_file.js';
