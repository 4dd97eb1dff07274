import type { InParts } from '../in_parts.js';

/** All of a work in parts, without a rest. */
export function atOnce<T>(work: InParts<T>): T {
  for (;;) {
    const part = work.next();
    if (part.done) return part.value;
  }
}
