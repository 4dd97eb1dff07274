/**
 * A long-lived process that trains the bench's model, step by step as it is told: the peer of bench/pytorch/contestant.py, which says
 * what the commands are. With RANK and WORLD_SIZE set it is one rank of a job; all ranks are given the same commands.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { GPT } from '../../src/nn/models/gpt/gpt.js';
import type { ParallelSizes } from '../../src/plan/parallel_sizes.js';
import { rankFromEnvironment } from '../../src/launch/environment.js';
import { joinJob } from '../../src/launch/join.js';
import type { Rows } from '../../src/train/step_inputs.js';
import { openStep } from '../native_step.js';
import { optimizerOf, rowsOfBatch, type BatchFile, type ContestantConfig } from './config.js';
import type { MemoryAnswer } from './process.js';
import { printTable, profileOf } from './profile.js';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8')) as ContestantConfig & {
  readonly sizes: ParallelSizes;
};
const environment = rankFromEnvironment();
const { sequences, microbatch, rates, model, seed } = config;
const training = readBatches(config.batches);
const validation = config.validation && readBatches(config.validation);
const step = await openStep(
  {
    model: new GPT(model),
    optimizer: optimizerOf(rates.length),
    sizes: config.sizes,
    batch: { sequences, microbatch },
    compute: config.compute,
    runSteps: rates.length,
    seed,
    validates: validation !== null,
    reproducible: config.reproducible,
  },
  {
    rank: environment?.rank ?? 0,
    device: config.device,
    threads: config.threads,
    meet: async (engine) => {
      if (environment && environment.worldSize > 1) await joinJob(engine.addon, environment);
    },
  },
);

let done = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const [command, count] = line.split(' ');
  console.log(JSON.stringify(await answer(command, Number(count))));
}
await step.close();

async function answer(command: string, count: number): Promise<unknown> {
  switch (command) {
    case 'run': {
      const [seconds, cpuSeconds, losses, norms]: number[][] = [[], [], [], []];
      for (let i = 0; i < count; i++, done++) {
        const [start, cpuStart] = [performance.now(), cpuNow()];
        const { loss, gradientNorm } = await step.step(done % rates.length, training[done % training.length]);
        seconds.push((performance.now() - start) / 1000);
        cpuSeconds.push(cpuNow() - cpuStart);
        losses.push(loss);
        norms.push(gradientNorm);
      }
      return { seconds, cpu_seconds: cpuSeconds, losses, gradient_norms: norms };
    }
    case 'validate': {
      let sum = 0;
      for (const rows of validation!) sum += await step.validate(rows);
      return { loss: sum / validation!.length };
    }
    case 'profile': {
      const rows = await profileOf(step, training[0], count, done);
      done += count;
      printTable(rows);
      return { rows };
    }
    default:
      return memory();
  }
}

/** Processor time of all threads. */
function cpuNow(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** On a GPU what torch's allocator, and so the arena, has taken of the device; on the CPU the most that was ever resident. */
function memory(): MemoryAnswer {
  const device = step.engine.addon.deviceMemory();
  return {
    peak_bytes: device ? device.peakReservedBytes : peakResidentBytes(),
    allocated_bytes: device ? device.peakAllocatedBytes : null,
    arena_bytes: step.arenaBytes,
  };
}

function peakResidentBytes(): number {
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))!;
  return 1024 * Number(kibibytes);
}

function readBatches({ file, count }: BatchFile): readonly Rows[] {
  const bytes = readFileSync(file);
  const all = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const each = 2 * sequences * model.context;
  return Array.from({ length: count }, (_, i) => rowsOfBatch(all.subarray(i * each, (i + 1) * each), model.context));
}
