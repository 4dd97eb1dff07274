/**
 * Stage `demo`: the demo's model for some steps, twice on the device: the same bits. Then the same steps on the CPU: losses as close as
 * two implementations of bf16 are (1%, what tests/native/ours_equals_theirs.test.ts allows PyTorch's autocast over 100 steps).
 */
import { createHash } from 'node:crypto';
import { stateOf } from '../../src/run/state.js';
import type { NativeStep } from '../native_step.js';
import { withDemoStep, type DemoStep } from './demo_steps.js';
import { runStage } from './stage.js';

/** Of a loss; bf16 has eight bits, and the mean over 2048 tokens takes away most of that rounding. */
const tolerance = 0.01;

interface Run {
  readonly losses: readonly number[];
  readonly secondsPerStep: number;
  /** SHA-256 over the parameters and the optimizer's state after the last step. */
  readonly state: string;
}

await runStage('demo', async ({ deviceType, device, threads, report }) => {
  const steps = deviceType === 'cpu' ? 12 : 50;
  const run = (on: string): Promise<Run> =>
    withDemoStep({ deviceType, device: on, threads }, (step) => train(step, steps));

  const first = await run(device);
  report({ name: 'first run', device, steps, ...first });
  const last = first.losses.at(-1)!;
  report({ name: 'the loss falls', passed: last < first.losses[0], from: first.losses[0], to: last });

  const second = await run(device);
  const differing = first.losses.flatMap((loss, i) => (Object.is(loss, second.losses[i]) ? [] : [i]));
  report({
    name: 'two runs have the same bits',
    passed: differing.length === 0 && first.state === second.state,
    stepsWhoseLossesDiffer: differing,
    states: [first.state, second.state],
  });

  const onCpu = await run('cpu');
  const distances = onCpu.losses.map((loss, i) => Math.abs(first.losses[i] - loss) / loss);
  const furthest = Math.max(...distances);
  report({
    name: "losses are the CPU engine's",
    passed: furthest <= tolerance,
    furthest,
    tolerance,
    cpuLosses: onCpu.losses,
    cpuSecondsPerStep: onCpu.secondsPerStep,
  });
});

async function train(step: DemoStep, steps: number): Promise<Run> {
  const losses: number[] = [];
  const seconds: number[] = [];
  for (let i = 0; i < steps; i++) {
    const report = await step.run(i);
    losses.push(report.loss);
    seconds.push(report.seconds);
  }
  return { losses, secondsPerStep: Math.min(...seconds), state: await stateHash(step) };
}

async function stateHash({ program, compiled, rank }: NativeStep): Promise<string> {
  const hash = createHash('sha256');
  for (const { name, blocks } of stateOf(compiled.placed, [rank])) {
    for (const block of blocks) {
      const values = await program.read({ rank, name: block.value, elements: block.elements });
      hash.update(name).update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    }
  }
  return hash.digest('hex');
}
