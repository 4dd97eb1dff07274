/** Stage `profile`: where the time of a step goes, by launch, and how much of it the device stands idle. */
import { GPT } from '../../src/nn/models/gpt/gpt.js';
import { optimizerOf, randomBatch, rowsOfBatch } from '../contestant/config.js';
import { benchModel } from '../contestant/models.js';
import { profileOf } from '../contestant/profile.js';
import { openStep } from '../native_step.js';
import { runStage } from './stage.js';

const rowsShown = 20;

await runStage('profile', async ({ deviceType, device, threads, report }) => {
  const { name: model, sizes, batch } = benchModel(deviceType === 'cpu' ? 'tiny' : 'gpt2-124m');
  const [warmUp, timed, traced] = deviceType === 'cpu' ? [1, 2, 2] : [5, 20, 5];
  const runSteps = 1000;
  const step = await openStep(
    {
      model: new GPT(sizes),
      optimizer: optimizerOf(runSteps),
      sizes: {},
      batch,
      compute: 'bf16',
      runSteps,
      seed: 1,
    },
    { rank: 0, device, threads },
  );
  try {
    const rows = rowsOfBatch(randomBatch(sizes.vocab, batch.sequences, sizes.context, 1), sizes.context);
    let stepSeconds = Infinity;
    for (let i = 0; i < warmUp + timed; i++) {
      const { seconds } = await step.step(i, rows);
      if (i >= warmUp) stepSeconds = Math.min(stepSeconds, seconds);
    }
    const launches = await profileOf(step, rows, traced, warmUp + timed);
    const launchSeconds = launches.reduce((sum, { seconds }) => sum + seconds, 0);
    const count = launches.reduce((sum, row) => sum + row.count, 0);
    report({
      name: 'step',
      model,
      ...batch,
      stepSeconds,
      launchSeconds,
      launches: count,
      idleShare: deviceType === 'cpu' ? null : 1 - launchSeconds / stepSeconds,
      headline: `${(1e3 * stepSeconds).toFixed(1)} ms a step, ${(1e3 * launchSeconds).toFixed(1)} ms of it in ${count} launches`,
      how: 'shortest untraced step; each launch’s shortest time in traced steps, by the GPU’s own clock',
    });
    launches.slice(0, rowsShown).forEach(({ launch, count, seconds }, i) =>
      report({
        name: `launch ${i + 1}`,
        launch,
        count,
        milliseconds: 1e3 * seconds,
        share: seconds / launchSeconds,
      }),
    );
  } finally {
    await step.close();
  }
});
