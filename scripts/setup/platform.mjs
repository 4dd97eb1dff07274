/** What of Flotilla works on a platform: the native engine where it is built and tested, the rest everywhere. */
import { readdirSync } from 'node:fs';
import os from 'node:os';

const names = { linux: 'Linux', darwin: 'macOS', win32: 'Windows', freebsd: 'FreeBSD' };
const architectures = { x64: 'x86-64', arm64: 'ARM (arm64)', arm: 'ARM (32 bits)', ia32: 'x86 (32 bits)' };

/**
 * `native`: whether the native engine can be built. `text`: what works and what does not, where not everything does.
 * @param {{ platform: string, arch: string, musl: boolean }} system
 * @returns {{ name: string, native: boolean, text: string | null }}
 */
export function platformVerdict({ platform, arch, musl }) {
  const name = `${names[platform] ?? platform} ${architectures[arch] ?? arch}${musl ? ' with musl' : ''}`;
  if (platform === 'linux' && arch === 'x64' && !musl) return { name, native: true, text: null };
  const text =
    `This is ${name}; Flotilla’s native engine is built and tested on Linux x86-64 with glibc. What works here is all that is ` +
    'TypeScript: the reference engine, which trains tiny models under any plan in one process (`flotilla train CONFIG --engine reference`), ' +
    'the explanation of plans (`flotilla explain CONFIG`), the lists of runs and checkpoints. What does not: the native engine, and so the ' +
    `demo, ranks as processes of their own, GPUs and models of more than toy size; ${elsewhere(platform)}. ` +
    'The part that works is set up, without torch and without a compiler.';
  return { name, native: false, text };
}

/** @param {string} platform */
function elsewhere(platform) {
  if (platform === 'win32') return 'use the Windows Subsystem for Linux for these, on an x86-64 machine';
  return 'use a Linux x86-64 machine or container for these';
}

/** The verdict for this machine. */
export function thisPlatform() {
  return platformVerdict({ platform: process.platform, arch: os.arch(), musl: isMusl() });
}

/** Whether the C library is musl: its loader is there and glibc's is not. */
function isMusl() {
  if (process.platform !== 'linux') return false;
  const loaders = ['/lib', '/lib64'].flatMap((folder) => {
    try {
      return readdirSync(folder);
    } catch {
      return [];
    }
  });
  return loaders.some((name) => name.startsWith('ld-musl-')) && !loaders.some((name) => name.startsWith('ld-linux'));
}
