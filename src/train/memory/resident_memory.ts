/** Memory of this process that is its own: neither files mapped into it nor what other processes share. */
import { readFileSync } from 'node:fs';

/** Anonymous resident bytes, as Linux counts them; null where the system does not say. */
export function anonymousBytes(): number | null {
  try {
    const [, kibibytes] = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    return kibibytes === undefined ? null : 1024 * Number(kibibytes);
  } catch {
    return null;
  }
}

/** Anonymous resident bytes less V8's heap and the arrays of its own: what arenas and libraries take. */
export function nativeBytes(): number | null {
  const anonymous = anonymousBytes();
  const { heapTotal, arrayBuffers } = process.memoryUsage();
  return anonymous === null ? null : anonymous - heapTotal - arrayBuffers;
}
