/** The files of a run that are made from its events: metrics, trace, summary. */
import type { RunSummary, TrainEvent, TrainEvents } from '../train/events.js';
import type { TrainConfig } from '../config/schema.js';
import type { RunFolder } from '../run/folder.js';
import type { TracedLaunch } from '../train/traced_launch.js';
import { openMetrics, type MetricsWriter } from './metrics.js';
import { openRunLog } from './run_log.js';
import { drawCurve } from './plot/draw_curve.js';
import { summaryJson } from './summary.js';
import { writeTrace } from './trace.js';

/** What a run asks of whoever keeps its files. */
export const runFiles = {
  /** Opens metrics.jsonl when the run starts: what is refused before has changed nothing. */
  record(events: TrainEvents, folder: RunFolder, config: TrainConfig, resumedFrom: number | null): () => void {
    const open = () =>
      openMetrics(folder.file('metrics.jsonl'), {
        resumedFrom,
        everySteps: config.logging.every_steps,
        onError: (error) =>
          events.emit({ kind: 'warning', code: 'observe/metrics-lost', message: `metrics.jsonl: ${error.message}` }),
      });
    let metrics: MetricsWriter | null = null;
    const early: TrainEvent[] = [];
    const unsubscribe = events.subscribe((event) => {
      if (metrics) return metrics.append(event);
      early.push(event);
      if (event.kind !== 'started') return;
      metrics = open();
      for (const one of early) metrics.append(one);
    });
    return () => {
      unsubscribe();
      metrics?.close();
    };
  },
  openLog: openRunLog,
  writeTrace: (file: string, launches: readonly TracedLaunch[]): void => writeTrace(file, launches),
  drawCurve,
  writeSummary: (folder: RunFolder, summary: RunSummary): void =>
    folder.write('summary.json', `${JSON.stringify(summaryJson(summary), null, 2)}\n`),
};
