/** What can be wrong with a run folder and what is saved in it. */
import { defineDiagnostic } from '../ir/diagnostic.js';
import type { Holder } from './lock.js';
import { shellWord } from '../ir/shell.js';

export const runExists = defineDiagnostic('run/exists', (p: { path: string }) => ({
  what: `there is a run in ${p.path} already`,
  why: 'a new run would overwrite its configuration and metrics',
  where: [{ at: p.path }],
  fix: `go on with it by \`flotilla resume ${shellWord(p.path)}\`, choose another name (--name NAME), or remove the folder`,
}));

export const noRun = defineDiagnostic(
  'run/not-found',
  (p: { path: string; /** Of its config.json. */ problem: string }) => ({
    what: `${p.path} is not a run folder`,
    why: `a run folder holds the config.json that \`flotilla train\` wrote; of this one: ${p.problem}`,
    where: [{ at: p.path }],
    fix: 'name a folder below runs/, or start a run with `flotilla train`',
  }),
);

export const runCompleted = defineDiagnostic(
  'run/completed',
  (p: { path: string; /** Of the checkpoint. */ step: number; /** Length of the run. */ steps: number }) => ({
    what:
      p.step === p.steps
        ? `the run has completed its ${p.steps} steps`
        : `the run is to have ${p.steps} steps, and the checkpoint that it would go on from is of step ${p.step}`,
    where: [{ at: p.path, note: `step ${p.step}` }],
    fix: `train on to a step beyond ${p.step}: \`flotilla resume ${shellWord(p.path)} --steps ${2 * p.step}\``,
  }),
);

export const badCheckpointName = defineDiagnostic('run/bad-checkpoint-name', (p: { given: string }) => ({
  what: `'${p.given}' names no checkpoint`,
  where: [{ at: '--checkpoint (checkpoint)', note: p.given }],
  fix: 'give a step (40), the name of its folder (step-000040), or latest; `flotilla checkpoints RUN` lists them',
}));

export const optionFixed = defineDiagnostic(
  'run/option-fixed',
  (p: { path: string; option: string; asked: string; is: string; fix: string }) => ({
    what: `${p.option} is to be ${p.asked}, and a run that goes on has ${p.is}`,
    why: 'nothing would read it: it was decided when the run began',
    where: [{ at: p.path }],
    fix: p.fix,
  }),
);

export const shardsLost = defineDiagnostic('run/shards-lost', (p: { rank: number; problem: string }) => ({
  what: `rank ${p.rank} could not write its part of the checkpoint: ${p.problem}`,
  why: 'every rank writes what only it holds into the checkpoints folder, which all must be able to write to',
  where: [{ at: `rank ${p.rank}` }],
  fix: 'free space there, or set checkpoint.directory to a folder that all ranks can write to',
}));

export const badRunName = defineDiagnostic(
  'run/bad-name',
  (p: { name: string; problem: string; instead: string | null }) => ({
    what: `a run cannot be called ${JSON.stringify(p.name)}: ${p.problem}`,
    why: 'a name is that of one folder in logging.directory, and nothing else',
    where: [{ at: 'config, logging.name, or --name' }],
    fix: p.instead === null ? 'give it another name, or none: date and time then name it' : `call it ${p.instead}`,
  }),
);

export const folderNotOwn = defineDiagnostic('run/not-its-own-files', (p: { path: string; problem: string }) => ({
  what: `${p.path} ${p.problem}`,
  why: 'a run reads and writes files of its own folder only, and through a link it would those of others',
  where: [{ at: p.path }],
  fix: 'put the file itself there; for checkpoints on another disk, set checkpoint.directory',
}));

export const folderTaken = defineDiagnostic('run/folder-taken', (p: { path: string; name: string }) => ({
  what: `${p.path} is no run's folder, and has a '${p.name}' in it`,
  why: 'a run would write over it',
  where: [{ at: `${p.path}/${p.name}` }],
  fix: 'choose another logging.name, or move what is there',
}));

export const folderNotMade = defineDiagnostic(
  'run/folder-not-written',
  (p: { path: string; problem: string; remedy: string | null }) => ({
    what: `${p.path} cannot be written: ${p.problem}`,
    why: 'a run keeps its configuration, its log and its checkpoints in folders of its own',
    where: [{ at: p.path }],
    fix: `${p.remedy ?? 'free space there and make the folder writable'}; or set another logging.directory or checkpoint.directory`,
  }),
);

export const pathRefused = defineDiagnostic(
  'run/path-refused',
  (p: { places: readonly string[]; operation: string; problem: string; remedy: string }) => ({
    what: `the system refuses to ${p.operation} ${p.places.length > 0 ? p.places.join(' → ') : 'a file'}: ${p.problem}`,
    where: p.places.map((at) => ({ at })),
    fix: p.remedy,
  }),
);

const secondsText = (seconds: number): string => `${Math.max(0, Math.round(seconds))} s`;

export const runLocked = defineDiagnostic(
  'run/locked',
  (p: { folder: string; holder: Holder; /** Seconds since it last gave a sign of life. */ silence: number }) => ({
    what: `another process works on ${p.folder}: ${p.holder.pid} on ${p.holder.host}, since ${p.holder.since}`,
    why: `two at once would write over each other; it gave a sign of life ${secondsText(p.silence)} ago`,
    where: [{ at: `${p.folder}/lock` }],
    fix: 'wait until it has ended, or stop it with Ctrl-C there; the lock of a process that has ended is taken over: at once on its own machine, from another after 90 s of silence',
  }),
);

export const lockUnreadable = defineDiagnostic('run/lock-unreadable', (p: { folder: string }) => ({
  what: `the files called lock in ${p.folder} do not say who holds the run`,
  why: 'no version of flotilla has written them so',
  where: [{ at: `${p.folder}/lock` }],
  fix: 'where no process works on this run, remove the files whose names begin with lock',
}));

export const lockLost = defineDiagnostic(
  'run/lock-lost',
  (p: { folder: string; /** Who has it now; null: nobody. */ holder: Holder | null; isThere: boolean }) => ({
    what: p.holder
      ? `process ${p.holder.pid} on ${p.holder.host} has taken over ${p.folder}`
      : p.isThere
        ? `the lock of ${p.folder} has been removed`
        : `${p.folder} has been moved or removed`,
    why: p.holder
      ? 'this process gave no sign of life for so long that it was taken for ended; what it would save now could mix with the other one’s'
      : 'this process was working on the run in it, and saves nothing where the run is not, or where another may begin to work on it',
    where: [{ at: p.holder || p.isThere ? `${p.folder}/lock` : p.folder }],
    fix: p.holder
      ? 'let the other one go on; when it has ended, `flotilla resume` goes on from its last checkpoint'
      : '`flotilla resume`, given the folder where it is now, goes on from its last checkpoint; a folder can be moved while nobody works on it',
  }),
);

export const checkpointsOfAnother = defineDiagnostic(
  'run/checkpoints-of-another-run',
  (p: { directory: string; run: string; folder: string | null }) => ({
    what: `the checkpoints in ${p.directory} are another run's${p.folder ? `, that of ${p.folder}` : ''}`,
    why: 'in one folder each would go on from, and remove, those of the other',
    where: [{ at: 'config, checkpoint.directory' }, { at: p.directory, note: `run ${p.run}` }],
    fix: 'set checkpoint.directory to a folder of this run alone, or leave it out',
  }),
);

export const checkpointsForeign = defineDiagnostic(
  'run/checkpoints-not-marked',
  (p: { directory: string; name: string }) => ({
    what: `${p.directory} has checkpoints in it that no run of ours is known to have written`,
    why: `'${p.name}' is there, and the folder is not marked with a run`,
    where: [{ at: 'config, checkpoint.directory' }, { at: `${p.directory}/${p.name}` }],
    fix: 'set checkpoint.directory to an empty or new folder, or leave it out',
  }),
);

export const runChanged = defineDiagnostic('run/changed', (p: { folder: string; step: number }) => ({
  what: `another process has worked on ${p.folder} meanwhile: its checkpoint is now that of step ${p.step}`,
  where: [{ at: p.folder }],
  fix: 'give the command again: it then goes on from there',
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
  (p: {
    path: string;
    differences: readonly string[];
    /** Whether the run's weights have the shapes of this model. */
    loads: boolean;
  }) => ({
    what: `the model is not the one that this run trained: ${listed(p.differences)}`,
    why: 'weights mean nothing outside the model that they were trained in, whether their shapes agree or not',
    where: [{ at: `${p.path}/run.json`, note: 'what the run was begun with' }],
    fix: p.loads
      ? 'change it back, or take the changed model: --accept-model-change (accept_model_change)'
      : "change it back, or begin a new run: the run's weights do not have the shapes of this model",
  }),
);

export const lengthDecided = defineDiagnostic('run/length-decided', (p: { path: string; steps: number }) => ({
  what: `the run has ${p.steps} steps, and a length in minutes is asked for`,
  why: 'minutes become a number of steps once, which the learning rate then follows',
  where: [{ at: `${p.path}/run.json`, note: 'field steps' }],
  fix: `give the length in steps: \`flotilla resume ${shellWord(p.path)} --steps ${2 * p.steps}\``,
}));

export const hasWeights = defineDiagnostic('run/has-weights', (p: { path: string; asked: string }) => ({
  what: `the run goes on with its own weights, and those of ${p.asked} are asked for`,
  where: [{ at: p.path, note: 'has checkpoints' }],
  fix: `begin a new run from them: \`flotilla train ${p.path}/config.json --name NAME --set checkpoint.initial_load_path=${p.asked}\``,
}));

/** The command that begins a run anew with the weights of another. */
const newRunFrom = (path: string) =>
  `\`flotilla train ${path}/config.json --name NAME --set checkpoint.initial_load_path=${path} …\``;

/** The first few of a list, and how many more. */
export function listed(items: readonly string[], most = 4): string {
  const more = items.length - most;
  return `${items.slice(0, most).join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}

export const noRuns = defineDiagnostic('run/none-found', (p: { directory: string; problem: string }) => ({
  what: `no run in ${p.directory}`,
  why: p.problem,
  where: [{ at: p.directory }],
  fix: 'name the folder that logging.directory names (runs/ by default), or start a run with `flotilla train`',
}));
