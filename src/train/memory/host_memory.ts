/** How much memory this machine has for a job. */
import os from 'node:os';

export interface HostMemory {
  /** What the machine has, or what its cgroup may use where that is less. */
  readonly physicalBytes: number;
  /** What of it is free now, or would be once caches give way. */
  readonly availableBytes: number;
}

export function hostMemory(): HostMemory {
  const constrained = process.constrainedMemory();
  // Without a limit cgroups report 0, or a number beyond any machine.
  const physicalBytes = constrained > 0 ? Math.min(os.totalmem(), constrained) : os.totalmem();
  return { physicalBytes, availableBytes: Math.min(physicalBytes, process.availableMemory()) };
}
