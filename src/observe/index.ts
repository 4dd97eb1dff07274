/** What a run shows and writes: the panel, metrics, the summary. */
export { readMetrics } from '../run/read_metrics.js';
export { checkpointsText, runsText } from './listing.js';
export { attachPanel } from './attach_panel.js';
export { chartOf } from './plot/chart.js';
export { plotRuns, type PlotOptions } from './plot/plot_runs.js';
export { summaryFile } from './summary_file.js';
