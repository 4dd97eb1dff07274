/**
 * What another user may not do, also where tests run as root, whom no permission stops. The environment is not what it was meanwhile: Node
 * reads none of TMPDIR and its like for a process whose user has changed. Nothing may be imported meanwhile: this checkout may lie where
 * others cannot read, and a test worker remembers a module that it did not find.
 */
export async function asOrdinaryUser<T>(work: () => T | PromiseLike<T>): Promise<T> {
  const isRoot = process.geteuid?.() === 0;
  try {
    if (isRoot) switchTo(nobody);
    return await work();
  } finally {
    if (isRoot) switchTo(0);
  }
}

const nobody = 65534;

/** The group first on the way down, last on the way up: only root may change it. */
function switchTo(id: number): void {
  if (id !== 0) process.setegid?.(id);
  process.seteuid?.(id);
  if (id === 0) process.setegid?.(id);
}
