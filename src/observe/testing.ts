/** A small run, for the tests of this folder. */
import type { RunSummary, StartedEvent, TrainEvent, TrainEventBody } from '../train/events.js';

export const started: StartedEvent = {
  kind: 'started',
  name: 'demo',
  ranks: 2,
  engine: 'native',
  device: 'cpu',
  precision: 'bf16',
  tokensPerStep: 16_384,
  steps: null,
  minutes: 5,
  resumedFrom: null,
  setupSeconds: 3.2,
  threadsWait: null,
};

/** The events of a run of `steps` steps of 400 ms, from its start. */
export function eventsOfRun(steps: number): TrainEvent[] {
  const bodies: (readonly [seconds: number, TrainEventBody])[] = [
    [0, { kind: 'setup_started', part: 'tokenizer: training on 8.1 MB' }],
    [2, { kind: 'setup_finished', part: 'tokenizer', seconds: 2, detail: '8192 tokens' }],
    [
      3,
      {
        kind: 'compiled',
        parameters: 14_000_000,
        instructions: 812,
        plan: 'data 2',
        peakBytesPredicted: 405_000_192,
        seconds: 0.34,
      },
    ],
    [3.2, started],
  ];
  for (let step = 1; step <= steps; step++) {
    const seconds = 3.2 + 0.4 * step;
    bodies.push([
      seconds,
      {
        kind: 'step',
        step,
        loss: 9 - 4 * (1 - Math.exp(-step / 40)),
        terms: { balance: 1.25 },
        gradNorm: 1.234,
        lr: 3e-4,
        stepSeconds: 0.4,
        tokensPerSecond: 40_960,
        peakShare: 0.413,
        memoryBytes: 512e6,
      },
    ]);
    if (step === 10) bodies.push([seconds, { kind: 'length', steps: 750 }]);
    if (step % 50 === 0) bodies.push([seconds, { kind: 'validation', step, loss: 5.4321, bitsPerByte: 1.987 }]);
    if (step === 100) {
      bodies.push([
        seconds,
        { kind: 'checkpoint', step, path: 'runs/demo/checkpoints/step-000100', bytes: 168e6, seconds: 0.51 },
      ]);
    }
  }
  return bodies.map(([seconds, body]) => ({ ...body, at: 1_700_000_000_000 + Math.round(1000 * seconds) }));
}

export const summary: RunSummary = {
  name: 'demo',
  ranks: 2,
  engine: 'native',
  device: 'cpu',
  precision: 'bf16',
  plan: 'data 2',
  parameters: 14_000_000,
  steps: 750,
  tokens: 12_288_000,
  skippedUpdates: 0,
  trainingLoss: 4.1,
  validationLoss: 4.2,
  validationStep: 750,
  unigramLoss: 6.9,
  bigramLoss: 4.8,
  bitsPerByte: 1.654,
  keepsText: true,
  tokensPerSecond: 40_960,
  stepSeconds: 0.4,
  peakShare: 0.413,
  peakBytesPredicted: 405_000_192,
  peakBytesMeasured: 405_000_192,
  setupSeconds: 3.2,
  trainSeconds: 300,
  folder: 'runs/demo',
  picture: 'runs/demo/loss.svg',
};
