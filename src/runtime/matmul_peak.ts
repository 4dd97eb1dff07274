/**
 * This machine's measured matrix-product peak: our own kernel on square matrices, all cores, the best of several runs. What training
 * reaches is told as a share of it. Measured once for each build, kept in the cache.
 */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { dirname, join } from 'node:path';
import { addonPath, loadAddon } from '../engine/native/bridge.js';
import type { LoadedProgram, LoadedView } from '../engine/native/loaded_program.js';
import { dtypeBytes } from '../ir/dtype.js';
import { deviceTypeOf } from '../kernels/device.js';
import { matmulScratch } from '../kernels/matmul.js';
import { deviceOf } from './device.js';
import type { TrainConfig } from './options.js';

/** Floating-point operations a second, over all cores or of one GPU; null on the reference engine. */
export async function measuredPeak(config: TrainConfig, { again = false } = {}): Promise<number | null> {
  if (config.engine === 'reference') return null;
  const file = join(config.data.cache ?? '.cache/flotilla', 'matmul_peak.json');
  const { size, mtimeMs } = statSync(addonPath());
  const threads = os.availableParallelism();
  const key = [config.precision, config.device, os.cpus()[0]?.model, threads, size, Math.round(mtimeMs)].join(' ');
  const known = readKnown(file);
  if (known[key] !== undefined && !again) return known[key];
  // What else ran at the time can only have slowed it down.
  known[key] = Math.max(known[key] ?? 0, await measure(config, threads));
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify(known, null, 1));
  } catch {
    // A cache that cannot be written costs the next run a second.
  }
  return known[key];
}

function readKnown(file: string): Record<string, number> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, number>;
  } catch {
    return {};
  }
}

/** Runs for at least this long, and at least this often: clocks and caches need a moment. */
const [minimumSeconds, minimumRuns] = [0.3, 6];

async function measure(config: TrainConfig, threads: number): Promise<number> {
  const device = deviceOf(config, 0);
  const n = device === 'cpu' ? 1024 : 8192;
  const dtype = config.precision;
  const bytes = n * n * dtypeBytes[dtype];
  const scratchBytes = matmulScratch(n, n, n, dtypeBytes[dtype])[deviceTypeOf(device)];
  const matrix = (index: number): LoadedView => ({
    offset: index * bytes,
    dtype,
    sizes: [1, n, n],
    strides: [n * n, n, 1],
  });
  const [a, b, product] = [0, 1, 2].map(matrix);
  const at = 'matmul peak';
  const fill = (view: LoadedView) =>
    ({
      kind: 'kernel',
      kernel: 'fill',
      operands: [view],
      reads: 0,
      scratch: null,
      attributes: { value: 0.5 },
      at,
    }) as const;
  const program: LoadedProgram = {
    groups: [],
    launches: [
      {
        kind: 'kernel',
        kernel: 'matmul',
        operands: [a, b, product],
        reads: 2,
        scratch: scratchBytes > 0 ? { offset: 3 * bytes, bytes: scratchBytes } : null,
        attributes: { accumulate: 0 },
        at,
      },
    ],
  };
  using engine = loadAddon().open({ device, threads, arenaBytes: 3 * bytes + scratchBytes });
  await (await engine.load({ groups: [], launches: [fill(a), fill(b)] })).run();
  const loaded = await engine.load(program);
  let best = Infinity;
  for (let runs = 0, spent = 0; runs < minimumRuns || spent < minimumSeconds; runs++) {
    const { seconds } = await loaded.run();
    spent += seconds;
    best = Math.min(best, seconds);
  }
  return (2 * n ** 3) / best;
}
