/**
 * The measured matrix-product peak of this machine or of one of its GPUs: our own kernel on square matrices, the best of several runs.
 * What training reaches is told as a share of it. Measured once for each build, kept in the cache.
 */
import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import { cores } from '../engine/native/cores.js';
import { addonPath, loadAddon, type AddonEngine } from '../engine/native/bridge.js';
import type { LaunchList, LoadedView } from '../engine/native/loaded_program.js';
import { encode } from '../engine/host_array.js';
import { dtypeBytes } from '../ir/dtype.js';
import { deviceTypeOf } from '../kernels/device.js';
import { matmulScratch } from '../kernels/matmul.js';
import { initialValues, normal } from '../nn/init.js';
import { deviceOf } from './device.js';
import type { TrainConfig } from '../config/schema.js';
import { defaultCache } from '../data/options.js';
import { parseFields } from '../ir/parse_json.js';
import { readText } from '../data/read_text.js';
import { writeAtomically } from '../data/temporaries.js';

/** Floating-point operations a second, over all cores or of one GPU; null on the reference engine. */
export async function measuredPeak(config: TrainConfig, { again = false } = {}): Promise<number | null> {
  if (config.engine === 'reference') return null;
  const file = join(config.data.cache ?? defaultCache, 'matmul_peak.json');
  const { size, mtimeMs } = statSync(addonPath());
  const threads = cores();
  const device = deviceOf(config, 0);
  const key = [config.precision, device, os.cpus()[0]?.model, threads, size, Math.round(mtimeMs)].join(' ');
  const known = readKnown(file);
  if (known[key] !== undefined && !again) return known[key];
  // What else ran at the time can only have slowed it down.
  const options = { device, dtype: config.precision, threads };
  const peak = device === 'cpu' ? await matmulPeak(options) : await peakInProcess(options);
  known[key] = Math.max(known[key] ?? 0, peak);
  try {
    writeAtomically(file, JSON.stringify(known, null, 1));
  } catch {
    // A cache that cannot be written costs the next run a second.
  }
  return known[key];
}

/** As {@link matmulPeak}, in a process that ends: what a process has once opened of a GPU it holds to its end. */
async function peakInProcess(options: PeakOptions): Promise<number> {
  const source = import.meta.url.endsWith('.ts');
  const program = fileURLToPath(new URL(`matmul_peak_main.${source ? 'ts' : 'js'}`, import.meta.url));
  const args = [...(source ? ['--import', 'tsx'] : []), program, JSON.stringify(options)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return Number(stdout);
}

const knownSchema = z.record(z.string(), z.number().positive());

function readKnown(file: string): Record<string, number> {
  try {
    return knownSchema.parse(parseFields(readText(file)));
  } catch {
    return {};
  }
}

/** Runs for at least this long, and at least this often: clocks and caches need a moment. */
const [minimumSeconds, minimumRuns] = [0.3, 6];

export interface PeakOptions {
  /** `cpu`, `cuda:0`. */
  readonly device: string;
  readonly dtype: TrainConfig['precision'];
  readonly threads: number;
}

/** Floating-point operations a second of a product of square matrices: 1024 wide on the CPU, 8192 on a GPU. */
export async function matmulPeak({ device, dtype, threads }: PeakOptions): Promise<number> {
  const n = device === 'cpu' ? 1024 : 8192;
  const bytes = n * n * dtypeBytes[dtype];
  const scratchBytes = matmulScratch(n, n, n, dtypeBytes[dtype])[deviceTypeOf(device)];
  const matrix = (index: number): LoadedView => ({
    offset: index * bytes,
    dtype,
    sizes: [1, n, n],
    strides: [n * n, n, 1],
  });
  const [a, b, product] = [0, 1, 2].map(matrix);
  const program: LaunchList = {
    groups: [],
    launches: [
      {
        kind: 'kernel',
        kernel: 'matmul',
        operands: [a, b, product],
        reads: 2,
        scratch: scratchBytes > 0 ? { offset: 3 * bytes, bytes: scratchBytes } : null,
        attributes: { accumulate: 0 },
        at: 'matmul peak',
      },
    ],
  };
  using engine = loadAddon().open({ device, threads, arenaBytes: 3 * bytes + scratchBytes });
  await writeNoise(engine, dtype, n);
  const loaded = await engine.load(program);
  let best = Infinity;
  for (let runs = 0, spent = 0; runs < minimumRuns || spent < minimumSeconds; runs++) {
    const { seconds } = await loaded.run();
    spent += seconds;
    best = Math.min(best, seconds);
  }
  return (2 * n ** 3) / best;
}

/** Fills the first two matrices, with noise: a processor that multiplies equal numbers needs less power and may run faster. */
async function writeNoise(engine: AddonEngine, dtype: TrainConfig['precision'], n: number): Promise<void> {
  const rows = 64;
  const noise = encode(dtype, initialValues(normal(1), { seed: 1, name: 'matmul peak' }, 0, rows * n));
  await engine.write(0, new Uint8Array(noise.buffer));
  // Written once, repeated down both matrices by the engine itself.
  const [first, others] = [rows * n, ((2 * n) / rows - 1) * rows * n];
  const sizes = [others / first, first];
  const from: LoadedView = { offset: 0, dtype, sizes, strides: [0, 1] };
  const to: LoadedView = { offset: first * dtypeBytes[dtype], dtype, sizes, strides: [first, 1] };
  await (await engine.load({ groups: [], launches: [{ kind: 'copy', from, to, at: 'matmul peak' }] })).run();
}
