/** Stage `step`: `bench -- step` within a time, its rows as they are known, the peers most worth having first. */
import { runStep } from '../step.js';
import { runStage } from './stage.js';

/** Of a loss in bf16, as in the stage `demo`. */
const tolerance = 0.01;

await runStage('step', async ({ deviceType, threads, secondsLeft, report }) => {
  const onCpu = deviceType === 'cpu';
  const rows = await runStep({
    device: deviceType,
    // On the CPU this shows that it runs, not how fast.
    model: onCpu ? 'tiny' : 'gpt2-124m',
    ...(onCpu ? { rounds: 2, block: 2, compile: false } : { rounds: 5, block: 20, compile: true }),
    only: 'bf16, one process',
    compileSeconds: 400,
    profile: false,
    threads,
    secondsLeft,
    peerByPeer: true,
    emit: ({ name, ...row }) => report({ name: name.replace(/^step\//, ''), ...row }),
  });
  const distance = rows.findLast((row) => row.loss_distance !== undefined)?.loss_distance ?? null;
  report({
    name: "first losses are PyTorch's",
    passed: typeof distance === 'number' && distance <= tolerance,
    distance,
    tolerance,
  });
});
