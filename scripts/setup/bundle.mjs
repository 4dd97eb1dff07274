/**
 * dist/bundle/: the built library and its programs in a few files, as they are run and published. Of six hundred modules Node would look
 * for each, which costs every command and every rank half a second.
 *
 * Code that two programs share is in one file that both import, so that a process has each module once, whichever it starts with. All
 * files lie in one folder: a program that starts another one finds it beside itself.
 */
import path from 'node:path';
import { bundle as folder, root } from './places.mjs';

/** Modules that are started or imported by name, in src/; a bundle has them by their last name. */
const programs = [
  'index',
  'cli/main',
  'cli/rank_main',
  'launch/first',
  'train/matmul_peak_main',
  'data/reference/relay_main',
  'data/reference/child_main',
];

/** Bundles what the TypeScript compiler has left in dist/src/. */
export async function bundlePrograms() {
  const { build } = await import('esbuild');
  await build({
    entryPoints: Object.fromEntries(
      programs.map((program) => [path.basename(program), path.join(root, 'dist', 'src', `${program}.js`)]),
    ),
    outdir: folder,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    // Models are told apart by the names of their classes.
    keepNames: true,
    logLevel: 'warning',
  });
}
