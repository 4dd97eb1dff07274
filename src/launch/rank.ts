/** A rank process of our launcher, or of another that has started it. */
import { existsSync } from 'node:fs';
import { pathsTold } from '../run/paths_told.js';
import { nodeDisk, openCheckpoint } from '../checkpoint/index.js';
import { loadModel } from '../config/load_model.js';
import { importModel } from '../config/own_model.js';
import { closedOnError } from '../data/dataset.js';
import type { LanguageModel } from '../nn/language_model.js';
import { RunFolder } from '../run/folder.js';
import { requireDevice } from '../train/device.js';
import { trainEvents, type TrainEvents } from '../train/events.js';
import { openRunData } from '../train/prepare_run.js';
import type { RankResult } from '../train/train_rank.js';
import { anotherModel, folderGone } from './diagnostics.js';
import { rankFromEnvironment, type RankEnvironment } from './environment.js';
import { nativeHost } from './hosts.js';
import { runOfEnvironment, type LaunchedRun, type RankMessage } from './messages.js';
import type { Tell } from './arrival.js';
import { amongOthers, type Meeting } from './meeting.js';
import { modelHash } from './model_hash.js';
import { runRank } from './rank_process.js';
import { resolveAgain } from './resolve_again.js';
import { stoppedStatus } from './signals.js';
import { StopNote } from './stop_note.js';
import type { RunSurroundings } from './surroundings.js';
import { work } from './work.js';

/** A rank process of our launcher: what `rankArguments` runs. */
export async function rankMain(surroundings: RunSurroundings): Promise<void> {
  const environment = rankFromEnvironment();
  const run = runOfEnvironment(process.env);
  if (!environment || !run)
    throw new Error('a rank process is started by its launcher, with RANK and FLOTILLA_RUN set');
  await endAsRank(surroundings, environment, run, null);
}

/** Works, and ends this process: what a script does after `train()` is the launcher's to do, once. */
export async function endAsRank(
  surroundings: RunSurroundings,
  environment: RankEnvironment,
  run: LaunchedRun,
  given: LanguageModel | null,
): Promise<never> {
  // The launcher, which gets the same signals, says what came of them.
  const stop = new StopNote({ leave: () => process.exit(stoppedStatus), patient: true });
  const events = trainEvents();
  const send = (message: RankMessage) => process.send?.(message);
  // Rank 0 tells of the run; any rank may miss another.
  events.subscribe((event) => (environment.rank === 0 || event.kind === 'warning') && send({ event }));
  const tell: Tell = (code, message) => events.emit({ kind: 'warning', code, message });
  await runRank(environment, () =>
    amongOthers({ environment, tell, stop }, async (meeting) => {
      const result = await pathsTold(() =>
        workAsRank({ surroundings, environment, run, given, stop, events, meeting }),
      );
      if (environment.rank !== 0 || !process.send) return;
      await new Promise<void>((sent) => process.send!({ result } satisfies RankMessage, () => sent()));
    }),
  );
  process.exit(0);
}

export interface RankRequest {
  readonly surroundings: RunSurroundings;
  readonly environment: RankEnvironment;
  readonly run: LaunchedRun;
  /** The model of its own that this process's script gave as an object; null where it gave none. */
  readonly given: LanguageModel | null;
  readonly stop: StopNote;
  readonly events: TrainEvents;
  readonly meeting: Meeting | null;
}

/** A rank of a run whose folder is there. */
export async function workAsRank(request: RankRequest): Promise<RankResult> {
  const { surroundings, environment, run, given, stop, events, meeting } = request;
  const { rank } = environment;
  if (!existsSync(run.folder)) throw folderGone({ folder: run.folder });
  const folder = RunFolder.open(run.folder);
  const state = new RunFolder(run.state);
  const { config } = resolveAgain(state, []);
  // Rank 0 has looked at its own machine alone.
  requireDevice(config, { ranks: environment.worldSize, localRanks: environment.localWorldSize });
  const customModel = given ?? (await modelOfModule(run.module));
  const context = customModel?.options.context ?? config.model.context;
  const record = state.readRecord();
  const dataset = openRunData(record.data.folder, config, context);
  return closedOnError(dataset, async () => {
    const model = loadModel({ config, customModel }, dataset.vocab);
    const plan = state.readPlan();
    const resume =
      run.checkpoint === null ? null : await openCheckpoint(nodeDisk, run.checkpoint, { verify: 'structure' });
    try {
      const prepared = { config, model, plan, dataset, record };
      const host = nativeHost(config, environment, meeting);
      const { launchedAt, peakFlops, lock } = run;
      const of = { surroundings, prepared, folder, lock, resume, events };
      return await work({ ...of, launchedAt, host, peakFlops, rank, stop, tellStop: () => {} });
    } finally {
      await resume?.close();
    }
  });
}

/** The model that the launcher's module constructs, here too. Throws `launch/another-model`. */
async function modelOfModule(module: LaunchedRun['module']): Promise<LanguageModel | null> {
  if (module === null) return null;
  const model = await importModel(module.file, null);
  if (modelHash(model) !== module.model) throw anotherModel({ call: null });
  return model;
}
