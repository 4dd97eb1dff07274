/** What can go wrong between a configuration and a trained model. */
import { defineDiagnostic } from '../ir/diagnostic.js';
import { bytesText, counted } from '../ir/units.js';
import { shellWord } from '../ir/shell.js';

export const vocabTooSmall = defineDiagnostic(
  'train/vocab-too-small',
  (p: { rows: number; tokens: number; tokenizer: string }) => ({
    what: `the tokenizer has ${p.tokens} tokens, and the model's embedding has ${p.rows} rows`,
    why: 'ids beyond the embedding would read as zeros',
    where: [{ at: 'config, model.vocab' }, { at: p.tokenizer }],
    fix: `set model.vocab to ${p.tokens} or more, or leave it out`,
  }),
);

export const worldSizeDiffers = defineDiagnostic(
  'train/world-size-differs',
  (p: { world: number; plan: number; where: string }) => ({
    what: `the job has ${counted(p.world, 'rank')}, and the plan is for ${p.plan}`,
    where: [{ at: 'WORLD_SIZE', note: String(p.world) }, { at: p.where }],
    fix: `start ${counted(p.plan, 'rank')}, or change the plan's sizes`,
  }),
);

export const ranksDiffer = defineDiagnostic('train/ranks-differ', (p: { world: number; ranks: number }) => ({
  what: `the launcher has started ${counted(p.world, 'rank')}, and the configuration asks for ${p.ranks}`,
  why: 'the run would keep a number that it was never trained with, and go on with it',
  where: [
    { at: 'WORLD_SIZE', note: String(p.world) },
    { at: 'config, ranks', note: String(p.ranks) },
  ],
  fix: `start ${p.ranks}, or ask for ${p.world}: \`--ranks ${p.world}\`, in a script \`ranks: ${p.world}\`; \`null\` takes those that the launcher starts`,
}));

export const programsDiffer = defineDiagnostic('train/programs-differ', (p: { rank: number; other: number }) => ({
  what: `ranks ${p.other} and ${p.rank} compiled different programs`,
  why: 'their collectives would not match, and the job would hang or compute nonsense',
  where: [{ at: `rank ${p.rank}` }],
  fix: 'start all ranks from the same version of flotilla, the same config and the same plan',
}));

/** Ordered by how likely a cause is: what the last update did, where one was made; else what the run began with; data last. */
export const lossNotFinite = defineDiagnostic(
  'train/loss-not-finite',
  (p: {
    step: number;
    loss: number;
    first: { rank: number; at: string; what: string; given: boolean } | null;
    /** What counts as infinite in the run, as text that follows; empty: what is. */
    limits: string;
    /** What would keep the update before it in bounds (`divergence.ts`); null: none has been made since the weights were read. */
    taming: string | null;
    /** Where the weights came from then; null: they are the model's initial ones. */
    begins: string | null;
    /** The latest checkpoint. */
    previous: string | null;
  }) => {
    const saved = p.previous ? `the latest checkpoint is intact: ${p.previous}` : 'no checkpoint had been written';
    const source = p.begins ?? "the model's initial values";
    const begun = p.first?.given
      ? p.previous
        ? `it is no fault of this step: the latest checkpoint may hold it too (${p.previous}): go on from an earlier one`
        : `it is no fault of this step: look at what its weights were begun with, ${source}`
      : `no update was made since the run began or went on, so the learning rate is not the cause: look at the op that is named, at its weights (${source}), then at the data of step ${p.step}; ${saved}`;
    return {
      what: `the loss of step ${p.step} is ${p.loss}`,
      why: p.first
        ? `the first value that is not finite is ${p.first.what}${p.limits}`
        : `where it first appeared cannot be told${p.limits}`,
      where: [{ at: p.first?.at ?? 'loss', note: `${p.first ? `rank ${p.first.rank}, ` : ''}step ${p.step}` }],
      fix: p.taming ? `${p.taming}; ${saved}` : begun,
    };
  },
);

export const failedAfterSave = defineDiagnostic(
  'train/failed-after-save',
  (p: { part: string; problem: string; folder: string }) => ({
    what: `the run is trained and saved, and ${p.part} failed`,
    why: p.problem,
    where: [{ at: p.folder }],
    fix: `nothing is lost: \`flotilla generate ${shellWord(p.folder)}\` and \`flotilla resume ${shellWord(p.folder)}\` go on from what was saved`,
  }),
);

export const updatesSkipped = defineDiagnostic(
  'train/updates-skipped',
  (p: {
    step: number;
    skipped: number;
    of: number;
    first: { rank: number; at: string; what: string } | null;
    /** What counts as infinite in the run, as text that follows; empty: what is. */
    limits: string;
    /** What would keep the update before it in bounds (`divergence.ts`); null: none was made. */
    taming: string | null;
    /** Whether that was the run's last step. */
    complete: boolean;
  }) => ({
    what: `${p.skipped} of ${p.of} updates were left out, since a gradient was not finite: the run stops after step ${p.step}`,
    why: p.first
      ? `the first value that is not finite is ${p.first.what}${p.limits}`
      : `a run that leaves out most of its updates learns nothing${p.limits}`,
    where: [{ at: p.first?.at ?? 'gradients', note: `${p.first ? `rank ${p.first.rank}, ` : ''}step ${p.step}` }],
    fix: `${p.taming ?? `no update was made since the run began or went on, so the learning rate is not the cause: look at the op that is named, and at its weights, then at the data of step ${p.step}`}; the state is saved${
      p.complete ? '' : ', and `flotilla resume` goes on from it'
    }`,
  }),
);

export const unknownDumpPoint = defineDiagnostic(
  'train/unknown-dump-point',
  (p: { text: string; known: readonly string[] }) => ({
    what: `there is no pass to look behind at '${p.text}'`,
    where: [{ at: '--dump-ir' }],
    fix: `use one of ${p.known.map((name) => `after:${name}`).join(', ')}`,
  }),
);

export const threadsBad = defineDiagnostic('train/threads-bad', (p: { value: string }) => ({
  what: `OMP_NUM_THREADS is '${p.value}' and should be a number`,
  where: [{ at: 'OMP_NUM_THREADS' }],
  fix: 'set it to the threads of one rank, or unset it: each rank then takes its share of the cores',
}));

export const memoryExceeded = defineDiagnostic(
  'train/memory-exceeded',
  (p: {
    bytes: number;
    /** Whether more will be needed: the state alone was counted. */
    atLeast: boolean;
    physicalBytes: number;
    /** On this machine. */
    ranks: number;
    /** Of one rank's process, whatever it computes; part of `bytes`. */
    runtimeBytes: number;
    /** What the other bytes hold. */
    holds: string;
    change: string;
  }) => ({
    what: `the run needs ${p.atLeast ? 'at least ' : ''}${bytesText(p.bytes)} of memory here, and this machine has ${bytesText(p.physicalBytes)}`,
    why: `${bytesText(p.bytes - p.ranks * p.runtimeBytes)} for ${p.holds}, and ${bytesText(p.ranks * p.runtimeBytes)} for the processes of ${counted(p.ranks, 'rank')} here, ${bytesText(p.runtimeBytes)} each`,
    fix: `${p.change}; \`--overcommit\` starts all the same`,
  }),
);
