/**
 * Interrupts of real runs on a machine that is busy with other things: each must save at one step that all ranks have done, and end.
 *
 *   --runs N    interrupts (default 200)
 *   --seed N    the same seed draws the same ones (default: of the clock)
 *   --busy N    loops that run beside (default 2)
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../../src/engine/native/package_root.js';
import { stopSignals, type StopSignal } from '../../src/launch/signals.js';
import { readMetrics } from '../../src/observe/index.js';
import { uniformNumbers } from '../../src/train/sample.js';
import { isAlive, StartedRun } from './started_run.js';

const plans = {
  'data 2': { data_parallel_size: 2 },
  'pipeline 2': { data_parallel_size: 1, pipeline_parallel_size: 2 },
  'ZeRO-1': { data_parallel_size: 2, zero_stage: 1 },
} as const;

type PlanName = keyof typeof plans;

/** Who gets the signal: our launcher, its process group, one of its ranks; torchrun's agent, one of its ranks. */
const targets = ['launcher', 'group', 'rank 0', 'rank 1', 'torchrun', 'torchrun rank'] as const;

type Target = (typeof targets)[number];

interface Interrupt {
  readonly plan: PlanName;
  readonly target: Target;
  readonly signal: StopSignal;
  /** After the second step. */
  readonly delaySeconds: number;
}

interface Outcome extends Interrupt {
  /** Null: all went well. */
  readonly fault: string | null;
  /** From the signal to the end. */
  readonly seconds: number;
}

/** From a signal to the end, beside a step. */
const limitSeconds = 5;

/** After this a run hangs. */
const hangSeconds = 60;

/** Prints each interrupt that went wrong, and a table; gives whether none did. */
export async function fuzzStops(args: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      runs: { type: 'string', default: '200' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      busy: { type: 'string', default: '2' },
    },
  });
  const [runs, seed] = [Number(values.runs), Number(values.seed)];
  const torchrun = findTorchrun();
  console.log(`seed ${seed}; ${torchrun ?? 'torchrun is not installed here, so nothing is tried with it'}`);
  const workplace = mkdtempSync(path.join(os.tmpdir(), 'flotilla-fuzz-'));
  const busy = Array.from({ length: Number(values.busy) }, () => spawn(process.execPath, ['-e', 'for (;;) {}']));
  try {
    writeText(workplace);
    const outcomes: Outcome[] = [];
    for (const [at, interrupt] of draw(runs, seed, torchrun !== null).entries()) {
      const outcome = await tryInterrupt(workplace, `r${at}`, interrupt, torchrun);
      outcomes.push(outcome);
      if (outcome.fault !== null) console.log(`interrupt ${at}: ${describe(outcome)}\n  ${outcome.fault}`);
    }
    for (const line of table(outcomes)) console.log(line);
    const good = outcomes.filter(({ fault }) => fault === null).length;
    const slowest = Math.max(...outcomes.map(({ seconds }) => seconds));
    console.log(`${good} of ${runs} interrupts saved at one common step; the slowest took ${slowest.toFixed(1)} s`);
    return good === runs;
  } finally {
    busy.forEach((child) => child.kill('SIGKILL'));
    rmSync(workplace, { recursive: true, force: true });
  }
}

function draw(runs: number, seed: number, withTorchrun: boolean): readonly Interrupt[] {
  const uniform = uniformNumbers(seed);
  let drawn = 0;
  const one = <T>(of: readonly T[]): T => of[Math.floor(uniform(drawn++) * of.length)];
  return Array.from({ length: runs }, () => {
    const target = one(withTorchrun ? targets : targets.filter((name) => !name.startsWith('torchrun')));
    // torchrun's agent passes on these alone.
    const signal = one(target === 'torchrun' ? stopSignals.filter((name) => name !== 'SIGUSR1') : stopSignals);
    return { plan: one(Object.keys(plans) as PlanName[]), target, signal, delaySeconds: 1.5 * uniform(drawn++) };
  });
}

async function tryInterrupt(
  workplace: string,
  name: string,
  interrupt: Interrupt,
  torchrun: string | null,
): Promise<Outcome> {
  const folder = path.join(workplace, 'runs', name);
  const run = start(workplace, name, interrupt, torchrun, folder);
  let seconds = 0;
  let fault: string | null;
  try {
    await run.until('the second step', () => run.steps >= 2);
    await new Promise((resolve) => setTimeout(resolve, 1000 * interrupt.delaySeconds));
    const ranks = [...run.ranks().values()];
    const sentAt = performance.now();
    send(run, interrupt);
    // torchrun's agent takes seconds of its own, once the ranks have ended.
    const ended = interrupt.target.startsWith('torchrun') ? allEnded(ranks) : run.ended;
    await Promise.race([ended, after(hangSeconds)]);
    seconds = (performance.now() - sentAt) / 1000;
    const ending = await Promise.race([run.ended, after(hangSeconds)]);
    fault = ending === null ? `hangs: ${hangSeconds} s\n${run.output}` : faultOf(run, interrupt, folder, seconds);
  } catch (error) {
    fault = (error as Error).message;
  } finally {
    run.killAll();
  }
  return { ...interrupt, fault, seconds };
}

function start(
  workplace: string,
  name: string,
  { plan, target }: Interrupt,
  torchrun: string | null,
  folder: string,
): StartedRun {
  const config = path.join(workplace, `${name}.json`);
  writeFileSync(
    config,
    JSON.stringify({ ...options(workplace), plan: plans[plan], logging: loggingOf(workplace, name) }),
  );
  const main = path.join(packageRoot(), 'dist', 'src', 'cli', 'main.js');
  const first = path.join(packageRoot(), 'dist', 'src', 'launch', 'first.js');
  const node = ['--import', first, main, 'train', config];
  if (!target.startsWith('torchrun')) return new StartedRun(process.execPath, node, folder);
  const agent = ['--standalone', '--nproc-per-node', '2', '--no-python', process.execPath];
  return new StartedRun(torchrun!, [...agent, ...node], folder);
}

const loggingOf = (workplace: string, name: string) => ({
  directory: path.join(workplace, 'runs'),
  name,
  every_steps: 1,
});

const options = (workplace: string) => ({
  model: { family: 'gpt', layers: 2, dim: 32, heads: 2, context: 32 },
  steps: 1_000_000,
  precision: 'f32',
  threads: 1,
  device: 'cpu',
  data: {
    paths: [path.join(workplace, 'text')],
    tokenizer: { vocab: 280 },
    validation_fraction: 0.1,
    cache: path.join(workplace, 'cache'),
  },
  batch: { sequences: 8, microbatch: 4 },
  evaluation: { every_steps: 50 },
  checkpoint: { every_steps: null },
  sample: { tokens: 0 },
});

function send(run: StartedRun, { target, signal }: Interrupt): void {
  const rank = target === 'rank 0' ? 0 : 1;
  switch (target) {
    case 'launcher':
    case 'torchrun':
      return void process.kill(run.pid, signal);
    case 'group':
      return void process.kill(-run.pid, signal);
    case 'rank 0':
    case 'rank 1':
    case 'torchrun rank':
      return void process.kill(run.ranks().get(rank)!, signal);
  }
}

/** What is wrong with a run that has ended; null where nothing is. */
function faultOf(run: StartedRun, { target }: Interrupt, folder: string, seconds: number): string | null {
  const { exitCode, signalCode } = run.child;
  const steps = readMetrics(path.join(folder, 'metrics.jsonl')).filter(({ kind }) => kind === 'step');
  const wanted = `step-${String(steps.length).padStart(6, '0')}`;
  const slowestStep = Math.max(...steps.map((step) => step.step_seconds as number));
  const faults: string[] = [];
  // torchrun says by other numbers that its ranks were stopped.
  if (!target.startsWith('torchrun') && exitCode !== 130) faults.push(`ended with ${exitCode ?? signalCode}`);
  if (run.checkpoints.join() !== wanted) faults.push(`saved [${run.checkpoints.join()}], and not ${wanted}`);
  else if (manifestStep(folder, wanted) !== steps.length) faults.push(`${wanted} holds another step`);
  if (seconds > limitSeconds + slowestStep) faults.push(`took ${seconds.toFixed(1)} s`);
  return faults.length === 0 ? null : `${faults.join('; ')}\n${run.output}`;
}

function manifestStep(folder: string, checkpoint: string): number | null {
  const file = path.join(folder, 'checkpoints', checkpoint, 'manifest.json');
  if (!existsSync(file)) return null;
  return (JSON.parse(readFileSync(file, 'utf8')) as { step: number }).step;
}

const describe = ({ plan, target, signal, delaySeconds }: Interrupt): string =>
  `${signal} to ${target}, ${plan}, ${delaySeconds.toFixed(2)} s after the second step`;

/** One line a target and plan: for each signal, how many of how many went well. */
function table(outcomes: readonly Outcome[]): readonly string[] {
  const header = `${'target'.padEnd(15)}${'plan'.padEnd(12)}${stopSignals.map((signal) => signal.padStart(9)).join('')}`;
  const cell = (some: readonly Outcome[]) =>
    some.length === 0 ? '' : `${some.filter(({ fault }) => fault === null).length}/${some.length}`;
  const rows = targets.flatMap((target) =>
    (Object.keys(plans) as PlanName[]).map((plan) => {
      const these = outcomes.filter((one) => one.target === target && one.plan === plan);
      const cells = stopSignals.map((signal) => cell(these.filter((one) => one.signal === signal)).padStart(9));
      return these.length === 0 ? null : `${target.padEnd(15)}${plan.padEnd(12)}${cells.join('')}`;
    }),
  );
  return [header, ...rows.filter((row) => row !== null)];
}

function findTorchrun(): string | null {
  const own = path.join(packageRoot(), '.venv', 'bin', 'torchrun');
  const command = existsSync(own) ? own : 'torchrun';
  return spawnSync(command, ['--help']).status === 0 ? command : null;
}

function writeText(workplace: string): void {
  mkdirSync(path.join(workplace, 'text'));
  const words = 'river stone mill wheel night snow bread oven path lamp boat rope field wind bell door'.split(' ');
  const uniform = uniformNumbers(7);
  for (let file = 0, drawn = 0; file < 40; file++) {
    const text = Array.from({ length: 600 }, () => words[Math.floor(uniform(drawn++) * words.length)]);
    writeFileSync(path.join(workplace, 'text', `${file}.txt`), `${text.join(' ')}.\n`);
  }
}

async function allEnded(pids: readonly number[]): Promise<void> {
  while (pids.some(isAlive)) await new Promise((resolve) => setTimeout(resolve, 20));
}

const after = (seconds: number): Promise<null> =>
  new Promise((resolve) => setTimeout(() => resolve(null), 1000 * seconds).unref());
