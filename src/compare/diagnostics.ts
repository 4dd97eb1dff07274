/** What can keep two runs from being compared. */
import { defineDiagnostic } from '../ir/diagnostic.js';
import { shellWord } from '../ir/shell.js';
import { bytesText } from '../ir/units.js';
import { listed } from '../run/diagnostics.js';

export const modelsDiffer = defineDiagnostic(
  'compare/models-differ',
  (p: { paths: readonly [string, string]; differences: readonly string[] }) => ({
    what: `the second run trains another model than the first: ${listed(p.differences)}`,
    why: 'values of one have no counterpart in the other',
    where: p.paths.map((at) => ({ at })),
    fix: `compare runs of one model; \`flotilla plot ${p.paths.map(shellWord).join(' ')}\` draws the losses of any`,
  }),
);

export const noDigests = defineDiagnostic(
  'compare/no-digests',
  (p: { path: string; isOff: boolean; isGoing: boolean }) => ({
    what: `${p.path} has no digests of its steps`,
    why: p.isOff
      ? 'it was asked for none (logging.digest_every_steps is null)'
      : p.isGoing
        ? 'it is still going, and its first step is not done'
        : 'a version wrote it that kept none, or they have been removed',
    where: [{ at: p.path }],
    fix: p.isGoing
      ? 'wait for its first step'
      : `train again with logging.digest_every_steps=1, or hold a step of it against the same on one rank: \`flotilla compare ${shellWord(p.path)} --step 1\``,
  }),
);

export const noSharedSteps = defineDiagnostic(
  'compare/no-shared-steps',
  (p: { paths: readonly [string, string]; steps: readonly [string, string] }) => ({
    what: 'the runs have digests of no step in common',
    where: p.paths.map((at, i) => ({ at, note: p.steps[i] })),
    fix: 'compare runs with the same logging.digest_every_steps that have both done a step',
  }),
);

export const tooLarge = defineDiagnostic(
  'compare/too-large',
  (p: { path: string; bytes: number; availableBytes: number }) => ({
    what: `a step of ${p.path} is too large to be watched here: all that its ranks make takes ${bytesText(p.bytes)}`,
    why: `this machine has ${bytesText(p.availableBytes)} free, and all ranks of a step that is replayed are on it`,
    where: [{ at: p.path }],
    fix: 'compare shorter runs of the same model with fewer sequences in a batch (batch.sequences), which take the same kernels and plan',
  }),
);

export const badStep = defineDiagnostic('compare/bad-step', (p: { given: string }) => ({
  what: `'${p.given}' is no step`,
  where: [{ at: '--step' }],
  fix: 'give the number of a step, from 1',
}));
