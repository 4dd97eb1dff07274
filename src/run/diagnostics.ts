/** What can be wrong with a run folder and what is saved in it. */
import { defineDiagnostic } from '../ir/diagnostic.js';

export const runExists = defineDiagnostic('run/exists', (p: { path: string }) => ({
  what: `there is a run in ${p.path} already`,
  why: 'a new run would overwrite its configuration and metrics',
  where: [{ at: p.path }],
  fix: `go on with it by \`flotilla resume ${p.path}\`, choose another logging.name, or remove the folder`,
}));

export const noRun = defineDiagnostic('run/not-found', (p: { path: string }) => ({
  what: `${p.path} is not a run folder`,
  why: 'a run folder holds the config.json that `flotilla train` wrote',
  where: [{ at: p.path }],
  fix: 'name a folder below runs/, or start a run with `flotilla train`',
}));

export const runCompleted = defineDiagnostic('run/completed', (p: { path: string; steps: number }) => ({
  what: `the run has completed its ${p.steps} steps`,
  where: [{ at: p.path }],
  fix: `train on with \`flotilla resume ${p.path} --set steps=${2 * p.steps}\``,
}));

export const shardsLost = defineDiagnostic('run/shards-lost', (p: { rank: number; problem: string }) => ({
  what: `rank ${p.rank} could not write its part of the checkpoint: ${p.problem}`,
  why: 'every rank writes what only it holds into the checkpoints folder, which all must be able to write to',
  where: [{ at: `rank ${p.rank}` }],
  fix: 'free space there, or set checkpoint.directory to a folder that all ranks can write to',
}));
