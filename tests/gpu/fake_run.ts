/**
 * A run of fake stages in a process of its own, so that it can be killed: the folder for its results, then the stages as JSON.
 * After each save it prints how many records are kept.
 */
import path from 'node:path';
import { RunLog } from '../../bench/gpu/run/log.js';
import { writeResults, type RunResults } from '../../bench/gpu/run/results.js';
import { runStages } from '../../bench/gpu/run/run_stages.js';
import { startProcess } from '../../bench/gpu/run/stage_process.js';
import { jobs, type FakeStage } from './fake_stages.js';

const [folder, given] = process.argv.slice(2);
const began = performance.now();
const log = new RunLog(path.join(folder, 'gpu.log'));
const interrupt = new AbortController();
process.on('SIGTERM', () => interrupt.abort());
await runStages(
  { started: '', device: 'cpu', minutes: 1, about: {}, jobs: jobs(JSON.parse(given) as FakeStage[]) },
  {
    now: () => (performance.now() - began) / 1000,
    after: (seconds, callBack) => {
      const timer = setTimeout(callBack, seconds * 1000);
      return () => clearTimeout(timer);
    },
    start: startProcess,
    save: (results) => {
      writeResults(path.join(folder, 'gpu.json'), results);
      process.stdout.write(`${records(results)}\n`);
    },
    log: (line) => log.line(line),
    say: (line) => log.line(line),
    group: () => {},
    interrupted: interrupt.signal,
  },
);
process.exit(0);

function records({ stages }: RunResults): number {
  return stages.reduce((sum, { results }) => sum + results.length, 0);
}
