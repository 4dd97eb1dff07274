/**
 * Stage `memory`: the arena's highest byte that a run changes is the last one predicted, of an arena filled with 0x00 and with 0xFF; the
 * losses do not depend on the filling; steady steps take no memory of the device; and what the library allocates inside launches.
 */
import { lastChanged } from '../arena_bytes.js';
import { withDemoStep } from './demo_steps.js';
import { libraryBytesByKernel } from './library_bytes.js';
import { runStage, type Stage } from './stage.js';

const fillings = [0x00, 0xff] as const;

await runStage('memory', async (stage) => {
  const { deviceType, report } = stage;
  const steps = deviceType === 'cpu' ? 2 : 10;
  const [zeros, ones] = [await filled(stage, fillings[0], steps), await filled(stage, fillings[1], steps)];
  const highest = Math.max(zeros.writtenBytes, ones.writtenBytes);
  report({
    name: 'the highest byte written is the last predicted',
    passed: highest === zeros.arenaBytes,
    writtenBytes: highest,
    predictedBytes: zeros.arenaBytes,
  });
  report({
    name: 'losses do not depend on what was in the arena',
    passed: zeros.losses.every((loss, i) => Object.is(loss, ones.losses[i])),
    losses: zeros.losses,
  });
});

/** Runs steps in an arena that was filled with a byte; on a GPU, then looks at the allocator in as many steady ones. */
async function filled(stage: Stage, prefill: number, steps: number) {
  const { report } = stage;
  return withDemoStep({ ...stage, prefill }, async (step) => {
    const losses: number[] = [];
    for (let i = 0; i < steps; i++) losses.push((await step.run(i)).loss);
    const { arenaBytes } = step;
    const writtenBytes = await lastChanged(step.engine.addon, arenaBytes, prefill);
    const before = step.engine.addon.deviceMemory();
    if (prefill !== 0 || before === null) return { losses, arenaBytes, writtenBytes };

    for (let i = steps; i < 2 * steps; i++) await step.run(i);
    const after = step.engine.addon.deviceMemory()!;
    report({
      name: 'steady steps allocate nothing on the device',
      passed: after.deviceAllocations === before.deviceAllocations,
      steps,
      deviceAllocations: after.deviceAllocations - before.deviceAllocations,
      requests: after.allocations - before.allocations,
      memory: after,
      arenaBytes,
    });
    const { libraryBytes } = await step.run(2 * steps, { trace: true });
    report({
      name: 'allocated by the library inside launches',
      kernels: libraryBytesByKernel(step.program.launches.launches, libraryBytes!),
    });
    return { losses, arenaBytes, writtenBytes };
  });
}
