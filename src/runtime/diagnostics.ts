/** What can go wrong between a configuration and a trained model. */
import { defineDiagnostic } from '../ir/diagnostic.js';

export const runExists = defineDiagnostic('runtime/run-exists', (p: { path: string }) => ({
  what: `there is a run in ${p.path} already`,
  why: 'a new run would overwrite its configuration and metrics',
  where: [{ at: p.path }],
  fix: `go on with it by \`flotilla resume ${p.path}\`, choose another logging.name, or remove the folder`,
}));

export const noRun = defineDiagnostic('runtime/no-run', (p: { path: string }) => ({
  what: `${p.path} is not a run folder`,
  why: 'a run folder holds the config.json that `flotilla train` wrote',
  where: [{ at: p.path }],
  fix: 'name a folder below runs/, or start a run with `flotilla train`',
}));

export const vocabTooSmall = defineDiagnostic(
  'runtime/vocab-too-small',
  (p: { rows: number; tokens: number; tokenizer: string }) => ({
    what: `the tokenizer has ${p.tokens} tokens, and the model's embedding has ${p.rows} rows`,
    why: 'ids beyond the embedding would read as zeros',
    where: [{ at: 'config, model.vocab' }, { at: p.tokenizer }],
    fix: `set model.vocab to ${p.tokens} or more, or leave it out`,
  }),
);

export const worldSizeDiffers = defineDiagnostic(
  'runtime/world-size-differs',
  (p: { world: number; plan: number; where: string }) => ({
    what: `the job has ${p.world} ranks, and the plan is for ${p.plan}`,
    where: [{ at: 'WORLD_SIZE', note: String(p.world) }, { at: p.where }],
    fix: `start ${p.plan} ranks, or change the plan's sizes`,
  }),
);

export const programsDiffer = defineDiagnostic('runtime/programs-differ', (p: { rank: number; other: number }) => ({
  what: `ranks ${p.other} and ${p.rank} compiled different programs`,
  why: 'their collectives would not match, and the job would hang or compute nonsense',
  where: [{ at: `rank ${p.rank}` }],
  fix: 'start all ranks from the same version of flotilla, the same config and the same plan',
}));

export const lossNotFinite = defineDiagnostic(
  'runtime/loss-not-finite',
  (p: {
    step: number;
    loss: number;
    first: { rank: number; at: string; what: string } | null;
    previous: string | null;
  }) => ({
    what: `the loss of step ${p.step} is ${p.loss}`,
    why: p.first ? `the first value that is not finite is ${p.first.what}` : 'where it first appeared cannot be told',
    where: [{ at: p.first?.at ?? 'loss', note: `${p.first ? `rank ${p.first.rank}, ` : ''}step ${p.step}` }],
    fix: `lower optimizer.lr, lengthen optimizer.warmup_steps or set optimizer.clip_grad_norm; ${
      p.previous ? `the latest checkpoint is intact: ${p.previous}` : 'no checkpoint had been written'
    }`,
  }),
);

export const shardsLost = defineDiagnostic('runtime/shards-lost', (p: { rank: number; problem: string }) => ({
  what: `rank ${p.rank} could not write its part of the checkpoint: ${p.problem}`,
  why: 'every rank writes what only it holds into the checkpoints folder, which all must be able to write to',
  where: [{ at: `rank ${p.rank}` }],
  fix: 'free space there, or set checkpoint.directory to a folder that all ranks can write to',
}));

export const runCompleted = defineDiagnostic('runtime/run-completed', (p: { path: string; steps: number }) => ({
  what: `the run has completed its ${p.steps} steps`,
  where: [{ at: p.path }],
  fix: `train on with \`flotilla resume ${p.path} --set steps=${2 * p.steps}\``,
}));

export const unknownDumpPoint = defineDiagnostic(
  'runtime/unknown-dump-point',
  (p: { text: string; known: readonly string[] }) => ({
    what: `there is no pass to look behind at '${p.text}'`,
    where: [{ at: '--dump-ir' }],
    fix: `use one of ${p.known.map((name) => `after:${name}`).join(', ')}`,
  }),
);
