/** What surrounds a run that a person starts: its files, and how its ranks are started. */
import { fileURLToPath } from 'node:url';
import { attachPanel } from '../observe/index.js';
import { runFiles } from '../observe/run_files.js';
import { lossyOutput } from '../launch/output.js';
import { importFirst } from '../launch/signals.js';
import type { RunSurroundings } from '../launch/surroundings.js';

// The same file as TypeScript while developing, and built.
const source = import.meta.url.endsWith('.ts');
const rankProgram = fileURLToPath(new URL(source ? 'rank_main.ts' : 'rank_main.js', import.meta.url));

export const surroundings: RunSurroundings = {
  ...runFiles,
  showProgress: (events) => attachPanel(events, { stream: lossyOutput(process.stdout), environment: process.env }),
  rankArguments: [...(source ? ['--import', 'tsx'] : []), ...importFirst, rankProgram],
};
