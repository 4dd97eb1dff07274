/** Which npm packages a set of packages needs to run on Linux x86-64 with glibc, by package-lock.json. */

/** What of a package's entry in package-lock.json matters here. */
export interface LockedPackage {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
}

/** Entries by folder: `node_modules/vite`, `node_modules/a/node_modules/b`. */
export type LockedPackages = Readonly<Record<string, LockedPackage>>;

/** Folders of the named packages and of all that they need, sorted. Throws where the lockfile lacks one. */
export function packagesNeeded(locked: LockedPackages, names: readonly string[]): readonly string[] {
  const needed = new Set<string>();
  const add = (name: string, from: string, optional: boolean) => {
    if (name.startsWith('@types/')) return; // nothing that runs
    const folder = resolve(locked, name, from);
    if (!folder) {
      if (optional) return;
      throw new Error(`package-lock.json has no package '${name}', which ${from || 'the project'} needs`);
    }
    const entry = locked[folder];
    if (needed.has(folder) || (optional && !runsHere(entry))) return;
    needed.add(folder);
    for (const dependency of Object.keys(entry.dependencies ?? {})) add(dependency, folder, false);
    for (const dependency of Object.keys(entry.optionalDependencies ?? {})) add(dependency, folder, true);
    for (const peer of Object.keys(entry.peerDependencies ?? {}))
      if (!entry.peerDependenciesMeta?.[peer]?.optional) add(peer, folder, false);
  };
  for (const name of names) add(name, '', false);
  return [...needed].sort();
}

/** The folder that Node finds a package in, seen from another's: the innermost node_modules that has it. */
function resolve(locked: LockedPackages, name: string, from: string): string | null {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    const candidate = `${folder ? `${folder}/` : ''}node_modules/${name}`;
    if (candidate in locked) return candidate;
    if (!folder) return null;
  }
}

const here = { os: 'linux', cpu: 'x64', libc: 'glibc' } as const;

function runsHere(entry: LockedPackage): boolean {
  return (['os', 'cpu', 'libc'] as const).every((field) => {
    const allowed = entry[field];
    return (
      !allowed || (allowed.includes(`!${here[field]}`) ? false : allowed.includes(here[field]) || allowed[0][0] === '!')
    );
  });
}
