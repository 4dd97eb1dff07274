/** Stage `step`: `bench -- step` within a time, its rows as they are known, the peers most worth having first. */
import type { Row } from '../rows.js';
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
  report({ name: 'in short', headline: headline(rows) });
  const distance = rows.findLast((row) => row.loss_distance !== undefined)?.loss_distance ?? null;
  report({
    name: "first losses are PyTorch's",
    passed: typeof distance === 'number' && distance <= tolerance,
    distance,
    tolerance,
  });
});

/** Our step, and each peer's over it; peers that could not be had, with the reason. The last row of a name has all peers. */
function headline(rows: readonly Row[]): string {
  const last = (end: string) => rows.findLast(({ name }) => name.endsWith(end));
  const [time, throughput, mfu] = [last('/time'), last('/throughput'), last('/MFU')];
  if (!time) return 'nothing was measured';
  const ratios = (time.ratios ?? {}) as Readonly<Record<string, number>>;
  return [
    `${(1e3 * time.ours).toFixed(1)} ms a step`,
    ...(throughput ? [`${throughput.ours.toFixed(0)} tokens/s`] : []),
    ...(mfu ? [`MFU ${(100 * mfu.ours).toFixed(1)}% of the measured peak`] : []),
    ...Object.entries(ratios).map(([peer, ratio]) => `${peer} takes ×${ratio.toFixed(2)}`),
    ...Object.entries(time.missing ?? {}).map(([peer, why]) => `no ${peer}: ${why.split('\n')[0]}`),
  ].join(', ');
}
