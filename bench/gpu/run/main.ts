/** Runs the stages on this machine: what `scripts/gpu.sh` starts. Its options are told there. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { locateTorch } from '../../../src/engine/native/locate.js';
import { packageRoot } from '../../../src/engine/native/package_root.js';
import { chooseStages, jobOf } from './jobs.js';
import { RunLog } from './log.js';
import { allPassed, table, writeResults, type StageRecord } from './results.js';
import { runStages, type RunWorld } from './run_stages.js';
import { startProcess } from './stage_process.js';

const { values } = parseArgs({
  options: {
    device: { type: 'string', default: 'cuda' },
    stages: { type: 'string' },
    minutes: { type: 'string', default: '8' },
    out: { type: 'string', default: 'gpu-results' },
    /** Seconds since 1970 at which the whole run began. */
    began: { type: 'string' },
    /** Holds the number of the group of processes that is running, for whoever outlives this process. */
    'group-file': { type: 'string' },
  },
});
/** A day. */
const mostMinutes = 24 * 60;
const device = oneOf(values.device, ['cuda', 'cpu'] as const);
const minutes = Number(values.minutes);
if (!(minutes > 0 && minutes <= mostMinutes))
  refuse(`--minutes ${values.minutes}: a number above 0 is needed, ${mostMinutes} at most`);
const chosen = choose();
const began = values.began ? Number(values.began) * 1000 : Date.now();
const out = path.resolve(values.out);
mkdirSync(out, { recursive: true });
keepPrevious();
const log = new RunLog(path.join(out, 'gpu.log'));

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupt.abort());

const { found: torch } = await locateTorch();
if (device === 'cuda' && torch && !torch.cuda)
  refuse(
    `torch ${torch.version} at ${torch.path} is a CPU build: name one that is built for CUDA in FLOTILLA_TORCH, or run with --device cpu`,
  );
if (torch?.path) process.env.FLOTILLA_TORCH = torch.path; // every stage then uses this one
const world: RunWorld = {
  now: () => (Date.now() - began) / 1000,
  after: (seconds, callBack) => {
    const timer = setTimeout(callBack, seconds * 1000);
    return () => clearTimeout(timer);
  },
  start: startProcess,
  save: (results) => writeResults(path.join(out, 'gpu.json'), results),
  log: (line) => log.line(line),
  say: (line) => {
    log.line(line);
    console.log(line);
  },
  group: keepGroup,
  interrupted: interrupt.signal,
};
const results = await runStages(
  {
    started: new Date(began).toISOString(),
    ...{ device, minutes },
    about: await describeMachine(),
    jobs: chosen.map((stage) => jobOf(stage, { device, minutes, python: Boolean(torch && hasPython(torch)) })),
  },
  world,
);
const end = `${table(results)}\n${results.seconds.toFixed(0)} s; ${path.join(out, 'gpu.json')}, gpu.log`;
log.line(end);
console.log(`\n${end}`);
process.exit(allPassed(results) ? 0 : 1);

/** A run's results replace those of the run before it in the same folder, which are kept for one more. */
function keepPrevious(): void {
  for (const name of ['gpu.json', 'gpu.log']) {
    const file = path.join(out, name);
    if (existsSync(file)) renameSync(file, path.join(out, `previous-${name}`));
  }
}

function keepGroup(group: number | null): void {
  const file = values['group-file'];
  if (!file) return;
  if (group === null) rmSync(file, { force: true });
  else writeFileSync(file, String(group));
}

async function describeMachine(): Promise<StageRecord> {
  const pack = path.join(packageRoot(), 'pack.json');
  return {
    pack: existsSync(pack) ? JSON.parse(readFileSync(pack, 'utf8')) : null,
    node: process.version,
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    processor: os.cpus()[0]?.model ?? null,
    cores: os.availableParallelism(),
    memoryGibibytes: Math.round(os.totalmem() / 2 ** 30),
    torch: torch && { version: torch.version, cuda: torch.cuda, path: torch.path, source: torch.source },
  };
}

/** Whether the interpreter of its environment is known: else Python may import another torch, or none. */
function hasPython({ python, source }: { python: string | null; source: string }): boolean {
  return python !== null || source === 'python3';
}

function choose() {
  try {
    return chooseStages(values.stages ?? null);
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

function oneOf<const T extends string>(given: string, allowed: readonly T[]): T {
  return allowed.find((one) => one === given) ?? refuse(`--device ${given}: ${allowed.join(' or ')} is needed`);
}

function refuse(message: string): never {
  console.error(message);
  process.exit(2);
}
