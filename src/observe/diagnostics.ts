/** What can be wrong with the files that a run is told and drawn in. */
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

export const pictureUnwritable = defineDiagnostic(
  'observe/picture-unwritable',
  (p: { file: string; problem: string; remedy: string | null }) => ({
    what: 'the picture cannot be written',
    why: p.problem,
    where: [{ at: p.file }],
    fix: `${p.remedy === null ? '' : `${p.remedy}; or `}name a file that ends in .svg, in a folder that exists and may be written to: --out FILE.svg`,
  }),
);

export const plotUnitUnknown = defineDiagnostic('observe/plot-unit-unknown', (p: { given: string }) => ({
  what: `losses are told by token or by byte, not by '${p.given}'`,
  where: [{ at: '--per', note: p.given }],
  fix: '--per token for nats a token, --per byte for bits a byte of text',
}));
