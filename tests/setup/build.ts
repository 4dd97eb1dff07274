/** Builds dist/ before the tests where sources have changed: they start programs of it (`built.ts`). */
import { existsSync } from 'node:fs';

export default async function build(): Promise<void> {
  // A machine that was brought the built programs may have no compiler.
  if (!existsSync(new URL('../../node_modules/typescript', import.meta.url))) return;
  const { buildTypescript } = await import('../../scripts/setup/typescript_build.mjs');
  // What has a type error is built as far as it goes: tests of other parts are not held up by it.
  await buildTypescript().catch((error: Error) => console.error(error.message));
}
