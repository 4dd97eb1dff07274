/** dist/: the TypeScript sources as JavaScript, which is also the type check; and of these the programs that are run. */
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { bundlePrograms } from './bundle.mjs';
import { withLock } from './locks.mjs';
import { root } from './places.mjs';
import { filesUnder, hashOf, readStamp, runTool, step, writeStamp } from './steps.mjs';

const stamp = path.join(root, 'dist', '.stamp');

/** Folders that tsconfig.json includes, and the types they import from scripts/. */
const folders = ['src', 'bench', 'tests', 'examples', 'scripts'];

function wanted() {
  const files = folders.flatMap((folder) => filesUnder(path.join(root, folder), ['.ts', '.mts']));
  return hashOf([], [...files, path.join(root, 'tsconfig.json'), path.join(root, 'package-lock.json')]);
}

export function typescriptReady() {
  return readStamp(stamp) === wanted();
}

export async function buildTypescript() {
  if (typescriptReady()) return;
  await withLock('typescript', async () => {
    if (typescriptReady()) return;
    await step('type check and build (tsc -b)', async () => {
      const hash = wanted();
      const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
      try {
        await runTool(process.execPath, [tsc, '-b'], { fix: 'the messages above are type errors of the sources' });
      } finally {
        // What has a type error is built as far as it goes.
        removeStale();
        if (existsSync(path.join(root, 'dist', 'src', 'index.js'))) await bundlePrograms();
      }
      writeStamp(stamp, hash);
    });
  });
}

/** tsc leaves what was built of sources that are gone; a package would carry it. */
function removeStale() {
  const dist = path.join(root, 'dist');
  for (const file of filesUnder(dist, ['.js', '.js.map', '.d.ts'])) {
    const source = path.join(root, path.relative(dist, file).replace(/(\.js|\.js\.map|\.d\.ts)$/, '.ts'));
    if (!existsSync(source)) rmSync(file);
  }
}
