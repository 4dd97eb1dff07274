/** The files of a run that are made from its events: metrics, trace, summary. */
import type { RunSummary, TrainEvents } from '../train/events.js';
import type { TrainConfig } from '../config/schema.js';
import type { RunFolder } from '../run/folder.js';
import type { TracedLaunch } from '../train/traced_launch.js';
import { openMetrics } from './metrics.js';
import { openRunLog } from './run_log.js';
import { summaryJson } from './summary.js';
import { writeTrace } from './trace.js';

/** What a run asks of whoever keeps its files. */
export const runFiles = {
  record(events: TrainEvents, folder: RunFolder, config: TrainConfig, resumedFrom: number | null): () => void {
    const metrics = openMetrics(folder.file('metrics.jsonl'), {
      resumedFrom,
      everySteps: config.logging.every_steps,
      onError: (error) =>
        events.emit({ kind: 'warning', code: 'observe/metrics-lost', message: `metrics.jsonl: ${error.message}` }),
    });
    const unsubscribe = events.subscribe((event) => metrics.append(event));
    return () => {
      unsubscribe();
      metrics.close();
    };
  },
  openLog: openRunLog,
  writeTrace: (file: string, launches: readonly TracedLaunch[]): void => writeTrace(file, launches),
  writeSummary: (folder: RunFolder, summary: RunSummary): void =>
    folder.write('summary.json', `${JSON.stringify(summaryJson(summary), null, 2)}\n`),
};
