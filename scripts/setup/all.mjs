/** All of set-up, each part only where it is needed and can be used. */
import { buildNative } from './native_build.mjs';
import { installNpmPackages } from './npm_packages.mjs';
import { isCheckout } from './places.mjs';
import { thisPlatform } from './platform.mjs';
import { findOrInstallTorch } from './python_environment.mjs';
import { buildTypescript } from './typescript_build.mjs';

/** The sources as programs: what runs without torch. A package brings them. */
export async function setUpPrograms() {
  if (!isCheckout) return;
  await installNpmPackages();
  await buildTypescript();
}

/** Packages, torch and the native engine. Returns whether there is an engine: some platforms have none, which is said. */
export async function setUp() {
  const { native, text } = thisPlatform();
  if (text) console.error(`set-up: ${text}\n`);
  if (isCheckout) await installNpmPackages();
  if (native) await buildNative(await findOrInstallTorch());
  return native;
}
