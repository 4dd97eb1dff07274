/** Reshards that layers have alike, told once. */
import type { ExplainedReshard } from './explain.js';

export interface FoldedReshard {
  /** What differs between those that are alike, the numbers of layers, buckets and values, is `*` in it, where there are several. */
  readonly reshard: ExplainedReshard;
  readonly count: number;
}

/** In the order of the first of each. Alike is what moves as many bytes of equal values between equal layouts for the same op of a layer. */
export function foldReshards(reshards: readonly ExplainedReshard[]): readonly FoldedReshard[] {
  const found = new Map<
    string,
    { readonly first: ExplainedReshard; readonly pattern: ExplainedReshard; count: number }
  >();
  for (const one of reshards) {
    const pattern: ExplainedReshard = {
      ...one,
      askedBy: numbersLeftOut(one.askedBy),
      value: valueLeftOut(one.value),
      members: one.members.map(numbersLeftOut),
    };
    const key = JSON.stringify(pattern);
    const known = found.get(key);
    if (known) known.count++;
    else found.set(key, { first: one, pattern, count: 1 });
  }
  return [...found.values()].map(({ first, pattern, count }) => ({ reshard: count === 1 ? first : pattern, count }));
}

/** `blocks.3.mlp` as `blocks.*.mlp`. */
const numbersLeftOut = (path: string): string => path.replace(/(?<=\.)\d+(?=\.|\b)/g, '*');

/** Of `blocks.3/add%41 : f32[dim=8]` the type stays as it is. */
function valueLeftOut(value: string): string {
  const at = value.indexOf(' : ');
  return `${numbersLeftOut(value.slice(0, at)).replace(/%\d+/, '')}${value.slice(at)}`;
}
