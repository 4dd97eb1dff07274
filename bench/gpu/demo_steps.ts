/** Steps in bf16 on one device, from first values, of the demo's model; on the CPU, where it takes long, of a tiny one. */
import { GPT } from '../../src/nn/models/gpt/gpt.js';
import { optimizerOf } from '../contestant/config.js';
import { benchModel, type BenchModel } from '../contestant/models.js';
import { openStep, type MeasuredStep, type NativeStep, type StepSetup } from '../native_step.js';
import { syntheticText } from '../synthetic_text.js';
import type { Stage } from './stage.js';

/** The length of run that the learning rate is a part of. */
const runSteps = 100;

export interface DemoStep extends NativeStep {
  /** Runs the step of this index on its batch. */
  run(index: number, options?: { readonly trace?: boolean }): Promise<MeasuredStep>;
}

const setupOf = ({ sizes, batch }: BenchModel): StepSetup => ({
  model: new GPT(sizes),
  optimizer: optimizerOf(runSteps),
  sizes: {},
  batch,
  compute: 'bf16',
  runSteps,
  seed: 1,
});

/** Opens the step, and closes it after `body`. */
export async function withDemoStep<T>(
  { deviceType, ...options }: Pick<Stage, 'deviceType' | 'device' | 'threads'> & { readonly prefill?: number },
  body: (step: DemoStep) => Promise<T>,
): Promise<T> {
  const model = benchModel(deviceType === 'cpu' ? 'tiny' : 'demo');
  const step = await openStep(setupOf(model), { rank: 0, ...options });
  const run: DemoStep['run'] = (index, how) =>
    step.step(index, syntheticText(model.sizes, model.batch.sequences, index), how);
  try {
    return await body({ ...step, run });
  } finally {
    await step.close();
  }
}
