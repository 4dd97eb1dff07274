import { defineDiagnostic, nearest } from '../ir/diagnostic.js';

export const unknownSchedule = defineDiagnostic(
  'schedule/unknown-schedule',
  (p: { kind: string; known: readonly string[] }) => ({
    what: `there is no pipeline schedule '${p.kind}'`,
    where: [{ at: 'plan, schedule.kind' }],
    fix: `use ${nearest(p.kind, p.known) ?? `one of ${p.known.join(', ')}`}`,
  }),
);
