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

export const recordInvalid = defineDiagnostic('run/record-invalid', (p: { file: string; problem: string }) => ({
  what: `${p.file} does not say what the run is`,
  why: `without it the run would go on with whatever data and model are found: ${p.problem}`,
  where: [{ at: p.file }],
  fix: 'restore the file from a copy, or begin a new run from these weights: checkpoint.initial_load_path',
}));

export const dataDiffers = defineDiagnostic(
  'run/data-differs',
  (p: { path: string; differences: readonly string[] }) => ({
    what: `the run would go on with other data: ${p.differences.join('; ')}`,
    why: 'sequences would be read again or never, and under another tokenizer every token would mean something else',
    where: [{ at: `${p.path}/run.json`, note: 'what the run was begun with' }],
    fix: `as it was: resume without this change; with it: a new run from these weights, ${newRunFrom(p.path)}`,
  }),
);

export const dataGone = defineDiagnostic(
  'run/data-gone',
  (p: { path: string; folder: string; problem: string; changes: readonly string[] }) => ({
    what: `the prepared data of this run is gone, and cannot be made again: ${p.problem}`,
    why: p.changes.length > 0 ? `since the run began: ${listed(p.changes)}` : undefined,
    where: [{ at: p.folder, note: 'the prepared data' }],
    fix: `as it was: bring the text back as it was, or the folder from a copy; on other text: a new run from these weights, ${newRunFrom(p.path)}`,
  }),
);

export const modelDiffers = defineDiagnostic(
  'run/model-differs',
  (p: { path: string; differences: readonly string[] }) => ({
    what: `the model is not the one that this run trained: ${listed(p.differences)}`,
    why: 'weights mean nothing outside the model that they were trained in, whether their shapes agree or not',
    where: [{ at: `${p.path}/run.json`, note: 'what the run was begun with' }],
    fix: 'change it back, or take the changed model: --accept-model-change (acceptModelChange)',
  }),
);

export const lengthDecided = defineDiagnostic('run/length-decided', (p: { path: string; steps: number }) => ({
  what: `the run has ${p.steps} steps, and a length in minutes is asked for`,
  why: 'minutes become a number of steps once, which the learning rate then follows',
  where: [{ at: `${p.path}/run.json`, note: 'field steps' }],
  fix: `give the length in steps: \`flotilla resume ${p.path} --steps ${2 * p.steps}\``,
}));

export const hasWeights = defineDiagnostic('run/has-weights', (p: { path: string; asked: string }) => ({
  what: `the run goes on with its own weights, and those of ${p.asked} are asked for`,
  where: [{ at: p.path, note: 'has checkpoints' }],
  fix: `begin a new run from them: \`flotilla train ${p.path}/config.json --run NAME --set checkpoint.initial_load_path=${p.asked}\``,
}));

/** The command that begins a run anew with the weights of another. */
const newRunFrom = (path: string) =>
  `\`flotilla train ${path}/config.json --run NAME --set checkpoint.initial_load_path=${path} …\``;

/** The first few of a list, and how many more. */
export function listed(items: readonly string[], most = 4): string {
  const more = items.length - most;
  return `${items.slice(0, most).join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}
