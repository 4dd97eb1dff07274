/** What can be wrong with a checkpoint or the disk under it. */
import { defineDiagnostic, DiagnosticError } from '../ir/diagnostic.js';
import { bytesText } from '../ir/units.js';

/** A good checkpoint, and whether its step alone says which it is. */
export interface GoodCheckpoint {
  readonly path: string;
  readonly step: number;
  readonly isOfStep: boolean;
}

/** The same diagnostic, its fix naming the checkpoint to use instead. */
export function suggestPrevious(error: DiagnosticError, previous: GoodCheckpoint | null): DiagnosticError {
  return new DiagnosticError(error.code, { ...error.diagnostic, fix: useAnother(previous) }, { cause: error });
}

const useAnother = (previous: GoodCheckpoint | null) =>
  previous
    ? `use the previous good checkpoint: ${previous.path}${previous.isOfStep ? ` (\`--checkpoint ${previous.step}\`)` : ''}`
    : 'no earlier good checkpoint is beside it: restore the file from a copy, or start the run again';

/** What a run that could not save does next. Without a checkpoint its name is free, and it begins anew. */
const afterwards = (previous: string | null) =>
  previous
    ? 'or go on elsewhere: `flotilla resume RUN --set checkpoint.directory=FOLDER` goes on from that checkpoint'
    : 'or set checkpoint.directory to a folder on another disk, and start the run again under the same name';

export const fileCorrupt = defineDiagnostic(
  'checkpoint/file-corrupt',
  (p: { file: string; tensor?: string; problem: string }) => ({
    what: p.tensor ? `tensor '${p.tensor}' in ${p.file} is not readable` : `${p.file} is not readable`,
    why: p.problem,
    where: [{ at: p.file, ...(p.tensor && { note: `tensor ${p.tensor}` }) }],
    fix: useAnother(null),
  }),
);

export const manifestInvalid = defineDiagnostic(
  'checkpoint/manifest-invalid',
  (p: { file: string; field?: string; problem: string }) => ({
    what: `the checkpoint's manifest ${p.file} is not valid`,
    why: p.problem,
    where: [{ at: p.file, ...(p.field && { note: `field ${p.field}` }) }],
    fix: useAnother(null),
  }),
);

export const newerFormat = defineDiagnostic(
  'checkpoint/newer-format',
  (p: { file: string; version: number; known: number }) => ({
    what: `${p.file} is a checkpoint of format ${p.version}; this version reads up to ${p.known}`,
    where: [{ at: p.file, note: 'field flotilla_checkpoint' }],
    fix: 'upgrade flotilla, or export the checkpoint with the version that wrote it',
  }),
);

/** `instead`: where the folder was named as one that has a checkpoint, what to name. */
export const noCheckpoint = defineDiagnostic(
  'checkpoint/none-found',
  (p: { directory: string; isThere?: boolean; instead?: string }) => ({
    what: p.isThere === false ? `there is no folder ${p.directory}` : `no checkpoint in ${p.directory}`,
    why: 'a checkpoint is a folder step-NNNNNN with a manifest.json',
    where: [{ at: p.directory }],
    fix:
      p.instead ??
      'wait until the run has saved (every checkpoint.every_steps steps, and at its end); one that ended before has left its name free: start it again',
  }),
);

export const noSuchStep = defineDiagnostic(
  'checkpoint/no-such-step',
  (p: { directory: string; step: string; steps: readonly number[] }) => ({
    what: `no checkpoint of step ${p.step} in ${p.directory}`,
    where: [{ at: p.directory }],
    fix:
      p.steps.length === 0
        ? 'leave --checkpoint out'
        : `use ${p.steps.map((step) => `--checkpoint ${step}`).join(' or ')}`,
  }),
);

export const otherRuns = defineDiagnostic('checkpoint/of-another-run', (p: { path: string; run: string }) => ({
  what: `${p.path} is a checkpoint of another run`,
  why: `its manifest names run ${p.run}: going on from it would mix two runs`,
  where: [{ at: p.path }],
  fix: useAnother(null),
}));

export const tensorNotFinite = defineDiagnostic(
  'checkpoint/not-finite',
  (p: { tensor: string; element: number; shape: readonly number[] }) => ({
    what: `element [${indexOf(p.element, p.shape).join(', ')}] of '${p.tensor}' is not finite: this state is not saved`,
    why: 'a checkpoint with such a number in it is none that training could go on from, and would push out one that is',
    where: [{ at: p.tensor }],
    fix: 'lower optimizer.lr, lengthen optimizer.warmup_steps or set optimizer.clip_grad_norm',
  }),
);

/** The same, said of the step that was to be saved. */
export function stateNotFinite(
  error: DiagnosticError,
  { directory, step, previous }: { directory: string; step: number; previous: string | null },
): DiagnosticError {
  const { diagnostic } = error;
  const instead = previous ? `the checkpoint before is intact: ${previous}` : 'no checkpoint had been written';
  return new DiagnosticError(
    error.code,
    {
      ...diagnostic,
      what: `after step ${step} ${diagnostic.what}`,
      where: [...(diagnostic.where ?? []), { at: directory, note: `step ${step}` }],
      fix: `${diagnostic.fix}; ${instead}`,
    },
    { cause: error },
  );
}

/** The place of an element in a row-major tensor. */
function indexOf(element: number, shape: readonly number[]): readonly number[] {
  const index: number[] = [];
  let rest = element;
  for (const size of shape.toReversed()) {
    index.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return index;
}

export const unknownTensor = defineDiagnostic(
  'checkpoint/unknown-tensor',
  (p: { file: string; tensor: string; nearest: string | null }) => ({
    what: `${p.file} has no tensor '${p.tensor}'`,
    where: [{ at: p.file }],
    fix: p.nearest ? `did you mean '${p.nearest}'?` : 'list its tensors in manifest.json',
  }),
);

export const tensorsDiffer = defineDiagnostic(
  'checkpoint/tensors-differ',
  (p: { checkpoint: string; differences: readonly string[] }) => ({
    what: `the checkpoint's tensors are not those of this model`,
    why: `${p.differences.slice(0, 5).join('; ')}${p.differences.length > 5 ? `; and ${p.differences.length - 5} more` : ''}`,
    where: [{ at: p.checkpoint }],
    fix: 'resume with the config that the run was started with (config.json in its folder), or start a new run',
  }),
);

export const sourceBytes = defineDiagnostic(
  'checkpoint/source-bytes',
  (p: { tensor: string; expected: number; given: number }) => ({
    what: `tensor '${p.tensor}' was given as ${p.given} bytes or more, its type has ${p.expected}`,
    why: 'the caller that gathers shards supplied another size than the global shape says',
    where: [{ at: p.tensor }],
    fix: 'this is an error in flotilla: report it with the plan of the run',
  }),
);

export const nameTwice = defineDiagnostic('checkpoint/name-twice', (p: { tensor: string }) => ({
  what: `two tensors are called '${p.tensor}'`,
  why: 'state on disk is found by name alone',
  where: [{ at: p.tensor }],
  fix: 'give one of the two modules another field name',
}));

export const diskFull = defineDiagnostic(
  'checkpoint/disk-full',
  (p: { directory: string; step: number; bytes: number; previous: string | null }) => ({
    what: `the disk is full: the checkpoint of step ${p.step} (${bytesText(p.bytes)}) was not saved`,
    why: p.previous ? `the previous checkpoint is intact: ${p.previous}` : 'no earlier checkpoint exists',
    where: [{ at: p.directory }],
    fix: `free space there, ${afterwards(p.previous)}`,
  }),
);

export const saveFailed = defineDiagnostic(
  'checkpoint/save-failed',
  (p: { directory: string; step: number; problem: string; previous: string | null }) => ({
    what: `the checkpoint of step ${p.step} was not saved: ${p.problem}`,
    why: p.previous ? `the previous checkpoint is intact: ${p.previous}` : 'no earlier checkpoint exists',
    where: [{ at: p.directory }],
    fix: `make the folder writable, ${afterwards(p.previous)}`,
  }),
);
