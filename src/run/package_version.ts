import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../engine/native/package_root.js';

/** The version of this package, as its package.json says. */
export function packageVersion(): string {
  try {
    return (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version;
  } catch {
    return 'unknown';
  }
}
