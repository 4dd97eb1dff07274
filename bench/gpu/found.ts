/** Stage `found`: the device, its software, and the rates that everything else is measured against. */
import os from 'node:os';
import { loadAddon } from '../../src/engine/native/bridge.js';
import { matmulPeak } from '../../src/runtime/matmul_peak.js';
import { describeGpu } from './gpu_name.js';
import { copyBandwidth, launchOverhead } from './rates.js';
import { runStage } from './stage.js';
import { torchFacts } from './torch_facts.js';

await runStage('found', async ({ deviceType, device, threads, report }) => {
  report({
    name: 'machine',
    cpu: os.cpus()[0]?.model ?? null,
    cores: threads,
    memoryBytes: os.totalmem(),
    node: process.versions.node,
  });
  report({ name: 'nvidia-smi', found: await describeGpu() });
  report({ name: 'addon', ...loadAddon().describe() });
  // A python that cannot import torch loses this line alone.
  report({ name: 'torch', ...(await torchFacts().catch((error: Error) => ({ error: error.message }))) });

  /** A rate that cannot be measured loses its own line alone. */
  const measure = async (name: string, unit: string, rate: () => Promise<number>, details: object = {}) => {
    try {
      report({ name, unit, value: await rate(), ...details });
    } catch (error) {
      report({ name, unit, passed: false, error: error instanceof Error ? error.message : String(error) });
    }
  };
  // f32 products have torch's default precision: no TF32.
  for (const dtype of ['bf16', 'f32'] as const)
    await measure(`matmul peak, ${dtype}`, 'FLOP/s', () => matmulPeak({ device, dtype, threads }));
  const copyBytes = deviceType === 'cpu' ? 2 ** 26 : 2 ** 31;
  const copy = () => copyBandwidth({ device, threads }, copyBytes);
  await measure('copy bandwidth', 'B/s, read and written together', copy, { copyBytes });
  const launches = 2000;
  await measure('launch overhead', 's a launch', () => launchOverhead({ device, threads }, launches), { launches });
});
