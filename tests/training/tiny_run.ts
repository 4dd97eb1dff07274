/** Runs so small that the reference engine trains one in a second, on text made here. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { surroundings as ofSources } from '../../src/cli/surroundings.js';
import { testDeviceType } from '../../src/engine/native/testing/device.js';
import { readMetrics } from '../../src/observe/index.js';
import { trainEvents, type TrainEvent, type TrainEvents } from '../../src/train/events.js';
import type { TrainOptions } from '../../src/config/schema.js';
import type { TrainResult } from '../../src/launch/start_job.js';
import type { RunSurroundings } from '../../src/launch/surroundings.js';
import { resumeRun, trainWith, type ResumeSettings, type TrainSettings } from '../../src/launch/train.js';
import { flotillaFirst, flotillaRank } from '../setup/built.js';

/** Ranks are processes of their own. */
export const surroundings: RunSurroundings = {
  ...ofSources,
  showProgress: () => () => {},
  rankArguments: ['--import', flotillaFirst, flotillaRank],
};

/** The reference engine, which runs any number of virtual ranks and needs no device. */
export const onReference = { engine: 'reference', device: 'cpu' } as const;

/** One rank: on the reference engine, or on the GPU of the tests. */
export const byDevice: Place = testDeviceType === 'cpu' ? onReference : { engine: 'native', device: testDeviceType };

/** Real ranks, a process each, on the device of the tests. */
export const onNative = { engine: 'native', device: testDeviceType } as const;

type Place = Pick<TrainOptions, 'engine' | 'device'>;

export class Workplace {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-training-'));
  private readonly place: Place;

  /** `place`: where its runs compute unless they say otherwise. */
  constructor(place: Place = onReference) {
    this.place = place;
    mkdirSync(this.file('corpus'));
    const words = 'the ship sails over a calm sea while small boats follow her light'.split(' ');
    for (let i = 0; i < 12; i++) {
      // Each file another order of the same words: enough to learn, and no two files alike.
      const text = Array.from({ length: 160 }, (_, k) => words[(k * (i + 1) + ((k * k) % (i + 3))) % words.length]);
      writeFileSync(this.file('corpus', `${i}.txt`), `${text.join(' ')}.\n`);
    }
  }

  file(...names: readonly string[]): string {
    return path.join(this.folder, ...names);
  }

  options(name: string, more: TrainOptions = {}): TrainOptions {
    return {
      model: { family: 'gpt', layers: 1, dim: 8, heads: 2, context: 8 },
      batch: { sequences: 4, microbatch: 1 },
      optimizer: { lr: 1e-2, warmup_steps: 2, decay_steps: 12 },
      ...this.place,
      precision: 'f32',
      ranks: 1,
      steps: 4,
      evaluation: { every_steps: null, batches: 1 },
      checkpoint: { every_steps: null },
      sample: { tokens: 0 },
      logging: { directory: this.file('runs'), name },
      ...more,
      data: {
        paths: [this.file('corpus')],
        tokenizer: { vocab: 270 },
        validation_fraction: 0.2,
        cache: this.file('cache'),
        ...(more.data as object),
      },
    };
  }

  /** Trains; gives the result, and the events by kind. */
  async train(name: string, more: TrainOptions = {}, settings: TrainSettings = {}): Promise<Told> {
    return told(
      (events) => trainWith(surroundings, this.options(name, more), { ...settings, events }),
      settings.events,
    );
  }

  async resume(name: string, overrides: readonly string[] = [], settings: ResumeSettings = {}): Promise<Told> {
    return told(
      (events) => resumeRun(surroundings, this.file('runs', name), { ...settings, events, overrides }),
      settings.events,
    );
  }

  checkpoint(name: string, step: number): string {
    return this.file('runs', name, 'checkpoints', `step-${String(step).padStart(6, '0')}`);
  }

  /** SHA-256 of every tensor of a checkpoint. */
  tensorHashes(name: string, step: number): Readonly<Record<string, string>> {
    const text = readFileSync(path.join(this.checkpoint(name, step), 'manifest.json'), 'utf8');
    const { tensors } = JSON.parse(text) as { tensors: Record<string, { sha256: string }> };
    return Object.fromEntries(Object.entries(tensors).map(([tensor, { sha256 }]) => [tensor, sha256]));
  }

  /** Training losses, as metrics.jsonl has them. */
  losses(name: string): readonly number[] {
    return readMetrics(this.file('runs', name, 'metrics.jsonl'))
      .filter(({ kind }) => kind === 'step')
      .map(({ loss }) => loss as number);
  }

  /** What is trained on beside the loss, as metrics.jsonl has it. */
  terms(name: string): readonly Readonly<Record<string, number>>[] {
    return readMetrics(this.file('runs', name, 'metrics.jsonl'))
      .filter(({ kind }) => kind === 'step')
      .map(({ terms }) => terms as Record<string, number>);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

interface Told extends TrainResult {
  readonly events: readonly TrainEvent[];
}

async function told(run: (events: TrainEvents) => Promise<TrainResult>, events = trainEvents()): Promise<Told> {
  const seen: TrainEvent[] = [];
  events.subscribe((event) => seen.push(event));
  return { ...(await run(events)), events: seen };
}
