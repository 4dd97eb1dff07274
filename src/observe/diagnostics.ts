/** What can be wrong with the files that a run is told in. */
import { defineDiagnostic } from '../ir/diagnostic.js';

export const summaryUnwritable = defineDiagnostic(
  'observe/summary-unwritable',
  (p: { file: string; problem: string; remedy: string | null }) => ({
    what: 'the summary cannot be written',
    why: p.problem,
    where: [{ at: p.file }],
    fix: `${p.remedy === null ? '' : `${p.remedy}; or `}name a file in a folder that exists and may be written to; a run that has ended has the same numbers in its summary.json`,
  }),
);
