/** The Node that runs this, as a file that runs on another Linux x86-64. */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';

/** What any machine with g++ has. */
const everywhere = /^(linux-vdso|ld-linux-x86-64|libc|libm|libdl|libpthread|librt|libgcc_s|libstdc\+\+)[.-]/;

/** Copies Node to `target`, without its symbol table where there is a tool to remove it. */
export function copyNode(target: string): void {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error(
      `packs are made on Linux x86-64, with the Node that they carry; this is ${process.platform} ${process.arch}`,
    );
  const foreign = librariesOf(process.execPath).filter((library) => !everywhere.test(library));
  if (foreign.length)
    throw new Error(
      `this Node (${process.execPath}) needs ${foreign.join(', ')}, which another machine may lack: pack with a Node from nodejs.org`,
    );
  if (spawnSync('strip', ['-o', target, process.execPath]).status !== 0) copyFileSync(process.execPath, target);
  execFileSync(target, ['--version']);
}

/** File names of the shared libraries that a program asks for. */
function librariesOf(program: string): readonly string[] {
  const { status, stdout } = spawnSync('ldd', [program], { encoding: 'utf8' });
  if (status !== 0) return []; // linked statically
  return [...stdout.matchAll(/^\s*(\S+)/gm)].map(([, library]) => library.slice(library.lastIndexOf('/') + 1));
}
