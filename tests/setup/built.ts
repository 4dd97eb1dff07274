/**
 * Programs that tests start as processes of their own, as they are built: as TypeScript each would take a second longer to start.
 * `build.ts` sees that dist/ is what the sources say.
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What a TypeScript source is built to: `built(new URL('testing/rank_main.ts', import.meta.url))`. */
export const built = (source: URL): string =>
  path.join(root, 'dist', path.relative(root, fileURLToPath(source)).replace(/\.ts$/, '.js'));

const bundled = (program: string): string => path.join(root, 'dist', 'bundle', `${program}.js`);

/** `flotilla`, as a user starts it. */
export const flotillaMain = bundled('main');

/** Imported before anything else: from then on a process listens to signals. */
export const flotillaFirst = bundled('first');

/** A rank of a run. */
export const flotillaRank = bundled('rank_main');

/** What `import 'flotilla'` gives. */
export const flotillaLibrary = bundled('index');
