/** Wrong kernels: what a loader that chooses for itself, or a table of another device, would run. */
import type { KernelInstruction } from '../../../src/program/program.js';
import { instructionsOf } from '../../../src/program/unroll.js';
import { replaceAt } from '../edit.js';
import type { Mutations } from '../mutant.js';
import { isKernel, mutant, onOne } from './site.js';

export const kernels: Mutations = {
  /** By the kernel of another instruction. */
  wrong_kernel: onOne(isKernel, (program, site, random) => {
    const instruction = site.instruction as KernelInstruction;
    const others = program.classes[site.c].templates.flatMap((template) =>
      instructionsOf(template).flatMap((x) =>
        x.kind === 'kernel' && x.kernel.id !== instruction.kernel.id ? [x.kernel] : [],
      ),
    );
    if (others.length === 0) return null;
    return mutant(replaceAt(program, site, { ...instruction, kernel: random.pick(others) }), site);
  }),
  wrong_device: onOne(isKernel, (program, site, random) => {
    const instruction = site.instruction as KernelInstruction;
    const { id } = instruction.kernel;
    const devices = (['cpu', 'cuda', 'reference'] as const).filter((one) => one !== instruction.kernel.device);
    return mutant(replaceAt(program, site, { ...instruction, kernel: { id, device: random.pick(devices) } }), site);
  }),
};
