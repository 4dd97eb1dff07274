/** Makes `.gpu/`: all that a bare machine with torch needs to build, test and measure the project. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { packageRoot } from '../../../src/engine/native/package_root.js';
import { writeArchive, type ArchiveEntry } from './archive.js';
import { builtPrograms, packageFiles, packageFolders, projectSources } from './contents.js';
import { copyNode } from './node_binary.js';

/** Bytes that may be carried. */
const most = 60e6;

/** Makes the pack anew, prints the size of each part, and returns its folder. */
export function makePack(): string {
  const root = packageRoot();
  const cache = path.join(root, '.cache', 'gpu-pack');
  const pack = path.join(root, '.gpu');
  rmSync(pack, { recursive: true, force: true });
  for (const folder of [pack, cache]) mkdirSync(folder, { recursive: true });

  const node = path.join(cache, 'node');
  copyNode(node);
  const sources = projectSources(root);
  const files = [...sources, ...builtPrograms(root, sources)];
  const folders = packageFolders(root, files);
  const parts: Readonly<Record<string, readonly ArchiveEntry[]>> = {
    node: [{ name: 'bin/node', file: node }],
    packages: entries(
      root,
      folders.flatMap((folder) => packageFiles(root, folder)),
    ),
    project: entries(root, files),
  };
  let bytes = 0;
  const tell = (name: string, size: number, what: string) => {
    bytes += size;
    console.log(`${name.padEnd(16)} ${(size / 1e6).toFixed(1).padStart(5)} MB  ${what}`);
  };
  for (const [name, part] of Object.entries(parts)) {
    const told = {
      node: process.version,
      packages: `${folders.length} npm packages`,
      project: `${files.length} files`,
    };
    tell(
      `${name}.tar.xz`,
      writeArchive(path.join(pack, `${name}.tar.xz`), part, cache),
      told[name as keyof typeof told],
    );
  }
  const script = path.join(pack, 'gpu.sh');
  copyFileSync(path.join(root, 'scripts', 'gpu.sh'), script);
  tell('gpu.sh', statSync(script).size, 'runs it');
  if (bytes > most) {
    rmSync(pack, { recursive: true });
    throw new Error(`the pack would have ${(bytes / 1e6).toFixed(1)} MB, and at most ${most / 1e6} MB may be carried`);
  }
  // Last: a folder that has it is whole.
  writeFileSync(path.join(pack, 'pack.json'), `${JSON.stringify(description(root), null, 2)}\n`);
  console.log(`${'.gpu/'.padEnd(16)} ${(bytes / 1e6).toFixed(1).padStart(5)} MB`);
  return pack;
}

function entries(root: string, files: readonly string[]): readonly ArchiveEntry[] {
  return files.map((name) => ({ name, file: path.join(root, name) }));
}

/** What the results of a run say of the pack. */
function description(root: string) {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  return {
    made: new Date().toISOString(),
    commit: git('rev-parse', 'HEAD'),
    changed: git('status', '--porcelain', '--untracked-files=no') !== '',
    node: process.version,
  };
}
