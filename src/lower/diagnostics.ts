/** What building a program refuses. */
import { defineDiagnostic } from '../ir/diagnostic.js';
import { printLayout, type Layout } from '../ir/layout.js';

export const storageDiffers = defineDiagnostic(
  'lower/storage-differs',
  (p: { name: string; step: Layout; update: Layout }) => ({
    what: `'${p.name}' is stored as ${printLayout(p.step)} for the step and as ${printLayout(p.update)} for its update`,
    why: 'a persistent value has one address and one layout',
    where: [{ at: p.name }],
    fix: 'give both graphs the same storage layout',
  }),
);

export const updateNotInPlace = defineDiagnostic(
  'lower/update-not-in-place',
  (p: { name: string; reader: string }) => ({
    what: `the new '${p.name}' would overwrite the old one while ${p.reader} still reads it`,
    where: [{ at: p.name }],
    fix: 'order the readers of the old value before the op that makes the new one',
  }),
);
