/** What the library allocates inside launches, by kernel. */
import type { NativeLaunch } from '../../src/engine/native/loaded_program.js';

export interface LibraryBytes {
  readonly kernel: string;
  readonly launches: number;
  /** In one launch, at most. */
  readonly bytes: number;
}

/** Kernels in whose launches something is allocated, the most first. */
export function libraryBytesByKernel(launches: readonly NativeLaunch[], bytes: Float64Array): readonly LibraryBytes[] {
  const rows = new Map<string, LibraryBytes>();
  launches.forEach((launch, i) => {
    if (bytes[i] === 0) return;
    const kernel =
      launch.kind === 'kernel' ? launch.kernel : launch.kind === 'collective' ? launch.collective : launch.kind;
    const known = rows.get(kernel) ?? { launches: 0, bytes: 0 };
    rows.set(kernel, { kernel, launches: known.launches + 1, bytes: Math.max(known.bytes, bytes[i]) });
  });
  return [...rows.values()].sort((a, b) => b.bytes - a.bytes);
}
