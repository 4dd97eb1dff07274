/** All of set-up, each part only where it is needed. */
import { buildNative } from './native_build.mjs';
import { installNpmPackages } from './npm_packages.mjs';
import { findOrInstallTorch } from './python_environment.mjs';

/** Packages, torch and the native engine. Returns the torch that is used. */
export async function setUp() {
  await installNpmPackages();
  const torch = await findOrInstallTorch();
  await buildNative(torch);
  return torch;
}
