/** What a run shows and writes: the panel, metrics, traces, the summary. */
export { metricsLine, openMetrics, readMetrics } from './metrics.js';
export type { MetricsOptions, MetricsRow, MetricsWriter } from './metrics.js';
export { attachPanel, plainLine, renderPanel } from './panel.js';
export type { PanelOptions, PanelStream, RenderOptions } from './panel.js';
export { initialState, nextState, secondsLeft } from './run_state.js';
export type { RunState } from './run_state.js';
export { summaryJson, summaryText } from './summary.js';
export { traceEvents, writeTrace } from './trace.js';
export type { Launch } from './trace.js';
export { bytesText, countText, durationText, lossText, percentText, secondsText } from './units.js';
