/** `flotilla setup`: that it is to be called by itself, and what its help says. The work is that of scripts/setup/, which needs no build. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { packageRoot } from '../engine/native/package_root.js';

export const setupHelp = `
Does what is still to be done, and no more:
  1. in a checkout, npm packages and the TypeScript build     1 min,   150 MB
  2. Python environment .venv with torch and numpy            2 min,  1000 MB
     (not where there is a torch from 2.11 on: FLOTILLA_TORCH, LIBTORCH,
     an active environment, or what python3 imports)
  3. the native engine, compiled by g++ and CMake             3 min,     3 MB
     (450 MB while it compiles, which a checkout keeps; seconds where the same
     was built before: ~/.cache/flotilla/native keeps the last builds)

All goes into the package's folder, or into ~/.cache/flotilla where that may
not be written to. Minutes are those of two cores and a fast network. Stopped
or failed, it goes on where it was: call it again. \`flotilla doctor\` says what
the machine has and lacks. On other platforms than Linux x86-64 it says what
works there, and sets up that.

Environment variables
  FLOTILLA_TORCH        a torch to use: the package, or its environment
  FLOTILLA_TORCH_INDEX  a package index for torch, such as its CPU wheels’
  CXX, CXXFLAGS         the C++ compiler, and its flags
  XDG_CACHE_HOME        in place of ~/.cache
`;

/** The command called through the built program, past `scripts/flotilla.mjs`, which does it itself. */
export function setUp(): void {
  const script = path.join(packageRoot(), 'scripts', 'flotilla.mjs');
  process.exitCode = spawnSync(process.execPath, [script, 'setup'], { stdio: 'inherit' }).status ?? 1;
}
