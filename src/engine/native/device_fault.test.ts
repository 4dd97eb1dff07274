import { expect, test } from 'vitest';
import type { NativeDescription } from './bridge.js';
import { chosenDevice, deviceFault, type DeviceChoice } from './device_fault.js';
import { examineGpu } from './doctor.js';

const twoGpus: NativeDescription = {
  torch: '2.11.0+cu130',
  torchPath: '/env/torch',
  torchCuda: '13.0',
  gpus: 2,
  cpu: [],
  backends: ['gloo', 'nccl'],
  ncclLacks: [],
  kernels: [],
  threads: 1,
};
const noGpus = { ...twoGpus, gpus: 0 };
const cpuBuild = { ...noGpus, torch: '2.13.0+cpu', torchCuda: null, backends: ['gloo'] };
const withoutNccl = { ...twoGpus, backends: ['gloo'], ncclLacks: ['nccl.h', 'cuda_runtime.h'] };

const told = (
  description: NativeDescription,
  { choice = 'cuda', ranks = 1, localRanks = ranks, visible = null }: Partial<Asked> = {},
) => deviceFault(choice, description, { ranks, localRanks }, visible)?.message ?? null;
interface Asked {
  readonly choice: DeviceChoice;
  readonly ranks: number;
  readonly localRanks: number;
  readonly visible: string | null;
}

test('nothing is in the way of ranks with a GPU each, nor of any on the CPU', () => {
  expect(told(twoGpus, { ranks: 2 })).toBeNull();
  expect(told(twoGpus, { ranks: 8, localRanks: 2 })).toBeNull();
  expect(told(withoutNccl)).toBeNull();
  expect(told(cpuBuild, { choice: 'cpu', ranks: 4 })).toBeNull();
});

test('auto takes the CPU where there is no GPU; where there is one, it must do', () => {
  expect([cpuBuild, noGpus, twoGpus].map((description) => chosenDevice('auto', description))).toEqual([
    'cpu',
    'cpu',
    'cuda',
  ]);
  expect(told(cpuBuild, { choice: 'auto', ranks: 4 })).toBeNull();
  expect(told(noGpus, { choice: 'auto', ranks: 4 })).toBeNull();
  expect(told(twoGpus, { choice: 'auto', ranks: 4 })).toContain('[engine/too-few-gpus]');
});

test('a CPU build of torch is named, with its place and where to get another', () => {
  expect(told(cpuBuild)).toMatchInlineSnapshot(`
    "no GPU can be used: torch 2.13.0+cpu is a CPU build [engine/torch-without-cuda]
      why    the native engine computes on GPUs by the CUDA libraries of the torch that it is built with
      where  /env/torch (torch 2.13.0+cpu, without CUDA)
      fix    install a torch with CUDA (\`pip install torch\` on Linux gives one, in an environment that has none), name its environment in FLOTILLA_TORCH and run \`npx flotilla setup\`, which builds the engine for it; or choose \`--device cpu\`"
  `);
});

test('a CUDA build that sees no GPU points at the driver, or at CUDA_VISIBLE_DEVICES where that hides them', () => {
  expect(told(noGpus)).toMatchInlineSnapshot(`
    "torch sees no GPU on this machine [engine/no-gpu]
      why    torch 2.11.0+cu130 is built for CUDA 13.0, and the driver shows it none
      fix    see by \`nvidia-smi\` whether there is a GPU and its driver is new enough for CUDA 13.0; or choose \`--device cpu\`"
  `);
  expect(told(noGpus, { visible: '' })).toMatchInlineSnapshot(`
    "torch sees no GPU on this machine [engine/no-gpu]
      why    CUDA_VISIBLE_DEVICES is '': torch sees only the GPUs that it names
      fix    unset CUDA_VISIBLE_DEVICES, or let it name GPUs that \`nvidia-smi\` lists; or choose \`--device cpu\`"
  `);
});

test('more ranks than GPUs on a machine: both numbers are told', () => {
  expect(told(twoGpus, { ranks: 3, visible: '0,1' })).toMatchInlineSnapshot(`
    "3 GPUs are asked for on this machine, and torch sees 2 [engine/too-few-gpus]
      why    each rank computes on a GPU of its own, by its place on the machine: cuda:0, cuda:1, …
      where  CUDA_VISIBLE_DEVICES ('0,1')
      fix    set ranks to 2 with a plan for as many, or leave ranks out; or choose \`--device cpu\`"
  `);
});

test('several ranks without NCCL: what the build lacked is named, for ranks of other machines too', () => {
  expect(told(withoutNccl, { ranks: 2 })).toMatchInlineSnapshot(`
    "2 ranks on GPUs exchange by NCCL, and the native engine is built without it [engine/no-nccl]
      why    the build did not find nccl.h and cuda_runtime.h in the wheels beside torch
      where  /env/torch (looked for in ../nvidia/*/include)
      fix    install them in that environment (\`pip install nvidia-nccl-cu13 nvidia-cuda-runtime\`) and run \`npx flotilla setup\`; or set ranks to 1, or choose \`--device cpu\`"
  `);
  expect(told(withoutNccl, { ranks: 2, localRanks: 1 })).toContain('[engine/no-nccl]');
  expect(told({ ...withoutNccl, torchCuda: '12.8' }, { ranks: 2 })).toContain(
    '`pip install nvidia-nccl-cu12 nvidia-cuda-runtime-cu12`',
  );
});

test('the doctor says which GPUs were found, or why none', () => {
  expect(examineGpu(twoGpus, null)).toEqual({
    what: 'gpu',
    status: 'ok',
    detail: '2 that torch sees, CUDA 13.0, backends gloo nccl',
    fix: null,
  });
  expect(examineGpu(cpuBuild, null)).toMatchObject({ status: 'note', detail: expect.stringContaining('CPU build') });
  expect(examineGpu(noGpus, null)).toMatchObject({ status: 'note', fix: expect.stringContaining('nvidia-smi') });
  expect(examineGpu(withoutNccl, null)).toMatchObject({ detail: expect.stringContaining('without it') });
  expect(examineGpu({ ...withoutNccl, gpus: 1 }, null)).toMatchObject({ status: 'ok' });
});
