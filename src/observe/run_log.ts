/**
 * `log.txt`: what a run tells, as plain lines, wherever its standard output goes and whatever becomes of it. A resumed run goes on in it.
 */
import { appendFileSync } from 'node:fs';
import type { RunLog } from '../launch/surroundings.js';
import type { TrainEvents } from '../train/events.js';
import { attachPanel } from './attach_panel.js';

/** Takes note of what a run tells, from before it has a folder. */
export function openRunLog(events: TrainEvents): RunLog {
  let file: string | null = null;
  let kept = '';
  const write = (text: string) => {
    kept += text;
    if (file === null) return;
    try {
      appendFileSync(file, kept);
    } catch {
      // The disk is full: the lines are lost. That metrics.jsonl cannot be written either has been said.
    }
    kept = '';
  };
  const detach = attachPanel(events, { stream: { write }, environment: {} });
  return {
    into(folder, { isNew }) {
      const open = () => {
        file = folder.file('log.txt');
        write('');
      };
      if (isNew) return open();
      const unsubscribe = events.subscribe(({ kind }) => {
        if (kind !== 'started') return;
        unsubscribe();
        open();
      });
    },
    say: (text) => write(`${text}\n`),
    close: detach,
  };
}
