/** What the optimizers refuse. */
import { defineDiagnostic } from '../ir/diagnostic.js';

export const badSchedule = defineDiagnostic(
  'optim/bad-schedule',
  (p: { kind: string; field: string; value: number }) => ({
    what: `the ${p.kind} schedule was given ${p.field} = ${p.value}`,
    where: [{ at: `optim.${p.kind}`, note: p.field }],
    fix: 'give a finite number that is not negative',
  }),
);

export const badOption = defineDiagnostic(
  'optim/bad-option',
  (p: { optimizer: string; field: string; value: number; expected: string }) => ({
    what: `${p.optimizer} was given ${p.field} = ${p.value}`,
    where: [{ at: `optim.${p.optimizer}`, note: p.field }],
    fix: `give ${p.expected}`,
  }),
);
