/** Stage `found`: the device, its software, and the rates that everything else is measured against. */
import os from 'node:os';
import { loadAddon } from '../../src/engine/native/bridge.js';
import { matmulPeak } from '../../src/train/matmul_peak.js';
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
  const told: string[] = [];
  const measure = async (
    name: string,
    unit: string,
    rate: () => Promise<number>,
    short: (value: number) => string,
    details: object = {},
  ) => {
    try {
      const value = await rate();
      told.push(`${name} ${short(value)}`);
      report({ name, unit, value, ...details, headline: told.join(', ') });
    } catch (error) {
      report({ name, unit, passed: false, error: error instanceof Error ? error.message : String(error) });
    }
  };
  const tera = (value: number) => `${(value / 1e12).toFixed(2)} TFLOP/s`;
  // f32 products have torch's default precision: no TF32.
  for (const dtype of ['bf16', 'f32'] as const)
    await measure(`${dtype} matmul`, 'FLOP/s', () => matmulPeak({ device, dtype, threads }), tera);
  const copyBytes = deviceType === 'cpu' ? 2 ** 26 : 2 ** 31;
  const copy = () => copyBandwidth({ device, threads }, copyBytes);
  const giga = (value: number) => `${(value / 1e9).toFixed(0)} GB/s`;
  await measure('copy', 'B/s, read and written together', copy, giga, { copyBytes });
  const launches = 2000;
  const micro = (value: number) => `${(1e6 * value).toFixed(1)} µs`;
  const overhead = () => launchOverhead({ device, threads }, launches);
  await measure('launch', 's a launch', overhead, micro, { launches });
});
