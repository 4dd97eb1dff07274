import { nearest } from './diagnostic.js';

/** Names that others give to choices of ours: `InterleavedZeroBubble` → `zb-h1`. */
export type NamesElsewhere = Readonly<Record<string, string>>;

/**
 * The choice that a word was probably meant for, or null: one of this name in another spelling (`ZB_V`), one that others call so
 * (`ZBVZeroBubble`), or one of almost this name.
 */
export function nearestChoice(word: string, choices: readonly string[], elsewhere: NamesElsewhere = {}): string | null {
  const names = new Map([
    ...Object.entries(elsewhere).map(([name, choice]) => [spelled(name), choice] as const),
    ...choices.map((choice) => [spelled(choice), choice] as const),
  ]);
  const meant = names.get(spelled(word)) ?? names.get(nearest(spelled(word), names.keys()) ?? '');
  return meant !== undefined && choices.includes(meant) ? meant : null;
}

/** A name without what spellings differ in: case, dashes, blanks. */
const spelled = (name: string): string => name.toLowerCase().replace(/[\s_-]/g, '');
