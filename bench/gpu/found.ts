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

  const copyBytes = deviceType === 'cpu' ? 2 ** 26 : 2 ** 31;
  for (const dtype of ['bf16', 'f32'] as const) {
    const flops = await matmulPeak({ device, dtype, threads });
    // f32 products have torch's default precision: no TF32.
    report({ name: `matmul peak, ${dtype}`, unit: 'FLOP/s', value: flops });
  }
  const bandwidth = await copyBandwidth({ device, threads }, copyBytes);
  report({ name: 'copy bandwidth', unit: 'B/s, read and written together', value: bandwidth, copyBytes });
  const launches = 2000;
  report({
    name: 'launch overhead',
    unit: 's a launch',
    value: await launchOverhead({ device, threads }, launches),
    launches,
  });
});
