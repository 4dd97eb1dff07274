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

/** `flotilla`, as a user starts it. */
export const flotillaMain = built(new URL('../../src/cli/main.ts', import.meta.url));

/** Imported before anything else: from then on a process listens to signals. */
export const flotillaFirst = built(new URL('../../src/launch/first.ts', import.meta.url));
