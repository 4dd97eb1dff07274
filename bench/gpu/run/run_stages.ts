/** Runs stages one after another, each within its limit and all within the run's, and keeps what they tell as they tell it. */
import type { RunResults, StageRecord, StageResult } from './results.js';
import type { StageCommand, StageProcess } from './stage_process.js';
import { Told } from './told.js';

/** A stage, ready to be run. */
export interface Job {
  readonly name: string;
  readonly shows: string;
  /** Seconds at most. */
  readonly limit: number;
  /** Whether the jobs after it are not begun where it fails. */
  readonly essential: boolean;
  /** Told how many seconds it has. */
  readonly command: (seconds: number) => Pick<StageCommand, 'command' | 'env'>;
  /** What is known of it before it runs: parts that cannot run here, and why. */
  readonly known: readonly StageRecord[];
}

/** What a run needs of the world. */
export interface RunWorld {
  /** Seconds since the run began; what came before the first stage counts. */
  readonly now: () => number;
  /** Calls back after so many seconds, unless it is cancelled by the function it returns. */
  readonly after: (seconds: number, callBack: () => void) => () => void;
  readonly start: (command: StageCommand) => StageProcess;
  /** Keeps the results so far. Called after every event, and before what follows it. */
  readonly save: (results: RunResults) => void;
  /** Keeps a line that a stage said. */
  readonly log: (line: string) => void;
  /** Tells how the run goes. */
  readonly say: (line: string) => void;
  /** Told of each group of processes as it begins, and null when it has ended. */
  readonly group: (group: number | null) => void;
  /** Ends the run early. */
  readonly interrupted: AbortSignal;
}

export interface RunPlan extends Pick<RunResults, 'started' | 'device' | 'minutes' | 'about'> {
  readonly jobs: readonly Job[];
}

/** Below this share of its limit a stage is not begun: it could not end. */
const leastShare = 0.1;
/** Of what a stage that failed said last, as many lines are shown at once; the results have more. */
const linesShown = 15;
/** A stage hears of less time than it has, so that it can end by itself. */
const toldShare = 0.85;

export async function runStages({ jobs, ...run }: RunPlan, world: RunWorld): Promise<RunResults> {
  const stages: StageResult[] = jobs.map(({ name, shows }) => ({
    ...{ name, shows, status: 'waiting', reason: null, seconds: null, results: [], lastLines: [], dropped: 0 },
  }));
  const results = (finished: boolean): RunResults => ({ ...run, finished, seconds: round(world.now()), stages });
  const set = (index: number, change: Partial<StageResult>) => {
    stages[index] = { ...stages[index], ...change };
    world.save(results(false));
  };
  world.save(results(false));

  let missing: string | null = null;
  for (const [index, job] of jobs.entries()) {
    const limit = Math.min(job.limit, run.minutes * 60 - world.now());
    const reason = world.interrupted.aborted
      ? 'the run was told to end'
      : (missing ?? (limit < leastShare * job.limit ? 'no time left' : null));
    if (reason) set(index, { status: 'not run', reason });
    else {
      await runStage(job, limit, (change) => set(index, change), world);
      if (job.essential && stages[index].status !== 'passed') missing = `nothing can run without '${job.name}'`;
    }
    const { status, seconds } = stages[index];
    world.say(`${job.name}: ${[status, stages[index].reason].filter(Boolean).join(', ')} (${seconds ?? 0} s)`);
    if (status === 'failed') for (const line of stages[index].lastLines.slice(-linesShown)) world.say(`  ${line}`);
  }
  const end = results(true);
  world.save(end);
  return end;
}

async function runStage(job: Job, limit: number, set: (change: Partial<StageResult>) => void, world: RunWorld) {
  const began = world.now();
  const told = new Told(job.known);
  const heard: StageCommand['heard'] = (lines, stream) => {
    for (const line of lines) world.log(`${job.name} ${(world.now() - began).toFixed(1)} ${stream}  ${line}`);
    if (told.hear(lines, stream)) set(told.results());
  };
  set({ status: 'running', ...told.results() });
  world.say(`${job.name}: begins, ${limit.toFixed(0)} s at most`);
  const stage = world.start({ ...job.command(limit * toldShare), heard });
  world.group(stage.group);
  let cutBecause: string | null = null;
  const cut = (reason: string) => {
    cutBecause ??= reason;
    stage.cut();
  };
  const late = limit < job.limit ? 'the run’s time was over' : `its ${limit.toFixed(0)} s were over`;
  const cancel = world.after(limit, () => cut(late));
  const interrupt = () => cut('the run was told to end');
  world.interrupted.addEventListener('abort', interrupt);
  const end = await stage.ended;
  world.interrupted.removeEventListener('abort', interrupt);
  cancel();
  world.group(null);
  const status = cutBecause ? 'cut' : end === null ? 'passed' : 'failed';
  const seconds = round(world.now() - began);
  set({ status, reason: cutBecause ?? end, seconds, lastLines: status === 'passed' ? [] : told.lastLines() });
}

const round = (seconds: number): number => Math.round(seconds * 100) / 100;
