/** What goes into a pack, by name: of the project, of its packages. */
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { packagesNeeded, type LockedPackages } from './closure.js';

/** Files of the project that stay behind: what holds documents and style against the sources, with the compilers that this takes, and what takes npm. */
export const leftBehind: readonly string[] = [
  '.ci/',
  'tests/docs/',
  'tests/package/installed.test.ts',
  'src/config/page.test.ts',
  'eslint.config.js',
];

/** Packages that are run, or whose headers are compiled, and that no source imports. */
const tools = ['vitest', 'tsx', 'node-addon-api', 'node-api-headers'] as const;

/** Where TypeScript sources stand that are built into dist/. */
const built = /^(src|bench|tests|examples)\/.*(?<!\.d)\.ts$/;

/** The project's sources that are packed, as paths from its root: the files that git tracks, or would. */
export function projectSources(root: string): readonly string[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root });
  const files = listed.toString().split('\0').filter(Boolean);
  const left = (file: string) =>
    leftBehind.some((place) => (place.endsWith('/') ? file.startsWith(place) : file === place));
  const isFile = (file: string) => lstatSync(path.join(root, file), { throwIfNoEntry: false })?.isFile();
  return [...new Set(files)].filter((file) => !left(file) && isFile(file)).sort();
}

/** What is built of them, in dist/, with the maps that name lines of the sources, and the bundled programs. */
export function builtPrograms(root: string, sources: readonly string[]): readonly string[] {
  const programs = sources.filter((file) => built.test(file)).map((file) => `dist/${file.replace(/\.ts$/, '.js')}`);
  const missing = programs.filter((file) => !existsSync(path.join(root, file)));
  if (missing.length) throw new Error(`not built: ${missing.slice(0, 3).join(', ')}`);
  const bundled = readdirSync(path.join(root, 'dist', 'bundle')).map((file) => `dist/bundle/${file}`);
  return [...programs.flatMap((file) => [file, `${file}.map`]), ...bundled];
}

/** Folders of the npm packages that the packed files import, or that building and testing run, with all that these need. */
export function packageFolders(root: string, files: readonly string[]): readonly string[] {
  const { packages } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as {
    packages: LockedPackages & { '': { dependencies: object; devDependencies: object } };
  };
  const direct = Object.keys({ ...packages[''].dependencies, ...packages[''].devDependencies });
  const texts = files
    .filter((file) => /\.(ts|js|mjs)$/.test(file))
    .map((file) => readFileSync(path.join(root, file), 'utf8'));
  const imported = direct.filter((name) => {
    const asks = new RegExp(`(from|import|import\\(|require\\()\\s*['"]${name}(/[^'"]*)?['"]`);
    return texts.some((text) => asks.test(text));
  });
  return packagesNeeded(packages, [...new Set([...tools, ...imported])]);
}

/** Files of a package that running it takes: no types, no maps, no pages. */
export function packageFiles(root: string, folder: string): readonly string[] {
  const at = path.join(root, folder);
  if (!existsSync(at)) throw new Error(`${folder} is not installed: packs are made on Linux x86-64, after set-up`);
  return readdirSync(at, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .filter((file) => !file.slice(folder.length + 1).includes('node_modules/'))
    .filter((file) => !/\.(map|md|markdown|d\.[mc]?ts)$/.test(file));
}
