import { badStep } from './diagnostics.js';

/** A step, from 1. Throws `compare/bad-step`. */
export function stepOfFlag(text: string): number {
  const step = Number(text);
  if (!/^\d{1,15}$/.test(text) || step < 1) throw badStep({ given: text });
  return step;
}
