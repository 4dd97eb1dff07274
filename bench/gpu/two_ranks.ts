/**
 * Stage `ranks`: two data-parallel ranks on one device take the steps that one rank takes. For values, not for speed: the ranks share
 * the device. NCCL refuses two ranks of one host on a GPU; which settings make it pass is what this finds out, each in processes of its
 * own and within a time of its own, because what does not work may hang.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { DeviceType } from '../../src/kernels/device.js';
import { prepareContest, randomBatch, type ContestantConfig } from '../contestant/config.js';
import { Contestant, type RunAnswer } from '../contestant/process.js';
import { runStage } from './stage.js';

const model = { layers: 2, dim: 64, heads: 4, context: 32, vocab: 96 } as const;
const batch = { sequences: 4, microbatch: 2 } as const;
const steps = 2;

/** f32 losses of two orders of summation: what tests/native/ours_equals_theirs.test.ts allows. */
const tolerance = 1e-5;

/** Longest that one setting may take, start included. */
const attemptSeconds = 20;

interface Setting {
  readonly name: string;
  readonly env: (rank: number) => Readonly<Record<string, string>>;
}

const sockets = { NCCL_P2P_DISABLE: '1', NCCL_SHM_DISABLE: '1', NCCL_NET: 'Socket', NCCL_SOCKET_IFNAME: 'lo' } as const;
/** NCCL takes ranks whose ids differ for ranks of different machines. */
const ownHost = (rank: number) => ({ NCCL_HOSTID: `flotilla-rank-${rank}` });

const settings: Readonly<Record<DeviceType, readonly Setting[]>> = {
  cpu: [{ name: 'Gloo', env: () => ({}) }],
  cuda: [
    { name: 'a host id for each rank, sockets', env: (rank) => ({ ...ownHost(rank), ...sockets }) },
    { name: 'NCCL_MULTI_RANK_GPU_ENABLE', env: () => ({ NCCL_MULTI_RANK_GPU_ENABLE: '1' }) },
    { name: 'a host id for each rank', env: (rank) => ({ ...ownHost(rank), NCCL_SOCKET_IFNAME: 'lo' }) },
    { name: 'as it is', env: () => ({}) },
  ],
};

await runStage('ranks', async ({ deviceType, device, threads, secondsLeft, report }) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-ranks-'));
  try {
    const config = prepareContest({
      folder,
      model,
      device,
      compute: 'f32',
      steps,
      ...batch,
      threads: Math.max(1, Math.floor(threads / 2)),
      batches: Array.from({ length: steps }, (_, i) => randomBatch(model.vocab, batch.sequences, model.context, i + 1)),
      validation: null,
    });
    const serial = await train(config, 1, folder, () => ({}), attemptSeconds);
    report({ name: 'one rank', losses: serial.losses, gradientNorms: serial.gradient_norms });
    const worked: string[] = [];
    for (const { name, env } of settings[deviceType]) {
      const seconds = Math.min(attemptSeconds, secondsLeft());
      if (seconds < 5) {
        report({ name, tried: false, why: 'no time was left' });
        continue;
      }
      const logs = mkdtempSync(path.join(folder, 'nccl-'));
      const debug = { NCCL_DEBUG: 'WARN', NCCL_DEBUG_FILE: path.join(logs, '%p.log') };
      try {
        const two = await train(config, 2, folder, (rank) => ({ ...debug, ...env(rank) }), seconds);
        const furthest = Math.max(
          ...two.losses.map((loss, i) => relative(loss, serial.losses[i])),
          ...two.gradient_norms.map((norm, i) => relative(norm, serial.gradient_norms[i])),
        );
        const equal = furthest <= tolerance;
        if (equal) worked.push(name);
        // A setting that gives other numbers is worse than one that is refused.
        report({ name, tried: true, worked: equal, ...(!equal && { passed: false }), furthest, losses: two.losses });
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        report({ name, tried: true, worked: false, why, nccl: logsOf(logs) });
      }
    }
    report({ name: 'two ranks train as one', passed: worked.length > 0, worked, tolerance });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

async function train(
  config: ContestantConfig,
  ranks: number,
  folder: string,
  env: Setting['env'],
  seconds: number,
): Promise<RunAnswer> {
  const contestant = await Contestant.ours(config, { data_parallel_size: ranks }, ranks, folder, env);
  try {
    return await contestant.run(steps, seconds);
  } finally {
    await contestant.stop();
  }
}

function relative(a: number, b: number): number {
  return Math.abs(a - b) / Math.abs(b);
}

/** The end of what NCCL wrote, by process. */
function logsOf(folder: string): readonly string[] {
  return readdirSync(folder).map((file) => readFileSync(path.join(folder, file), 'utf8').slice(-1500));
}
