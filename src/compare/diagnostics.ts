/** What can keep two runs from being compared. */
import { defineDiagnostic } from '../ir/diagnostic.js';
import { shellWord } from '../ir/shell.js';

export const modelsDiffer = defineDiagnostic(
  'compare/models-differ',
  (p: { paths: readonly [string, string]; differences: readonly string[] }) => ({
    what: `the second run trains another model than the first: ${p.differences.join('; ')}`,
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
    fix: p.isGoing ? 'wait for its first step' : 'train again with logging.digest_every_steps=1',
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
