/**
 * Names of nodes that stay when a model is traced again: module path, direction unless it is forward, op, and the ordinal of that op there.
 *
 *   blocks.0.attention.qkv/einsum.0      blocks.0.attention.qkv/backward/einsum.1      bucket.0/update/adamw.0
 *
 * A part of an op that is decomposed is named behind it: `head/softmax_cross_entropy.0/exp.0`. What a graph gives is read by
 * `NAME/output`. In a pattern a number of a module path is `*`: `blocks.*.attention.qkv/einsum.0` is that node of every block.
 */
import type { Source } from '../ir/graph.js';

/** Gives names, in the order of the nodes. */
export class NodeNames {
  private readonly counts = new Map<string, number>();

  /** The name of the next node of this op and source; `whole`: the op that it is a part of, by name. */
  next(op: string, { path, phase }: Pick<Source, 'path' | 'phase'>, whole: string | null = null): string {
    const place = whole ?? (phase === 'forward' ? path || 'model' : `${path || 'model'}/${phase}`);
    const stem = `${place}/${op}`;
    const ordinal = this.counts.get(stem) ?? 0;
    this.counts.set(stem, ordinal + 1);
    return `${stem}.${ordinal}`;
  }
}

/** The name of what reads an output of a graph. */
export const outputReader = (name: string): string => `${name}/output`;

/** The patterns that a name may be written by, those with fewer stars first; the name itself is the first of them. */
export function patternsOf(name: string): readonly string[] {
  const end = name.indexOf('/');
  const path = name.slice(0, end).split('.');
  let found: readonly { readonly path: readonly string[]; readonly stars: number }[] = [{ path, stars: 0 }];
  path.forEach((part, i) => {
    if (!/^\d+$/.test(part)) return;
    found = found.flatMap((one) => [one, { path: one.path.with(i, '*'), stars: one.stars + 1 }]);
  });
  return [...found].sort((a, b) => a.stars - b.stars).map((one) => one.path.join('.') + name.slice(end));
}

/** The pattern by which a name is written together with others: the first number of its path is `*`; null where it has none. */
export function sharedPattern(name: string): string | null {
  const end = name.indexOf('/');
  const path = name.slice(0, end).split('.');
  const at = path.findIndex((part) => /^\d+$/.test(part));
  return at < 0 ? null : path.with(at, '*').join('.') + name.slice(end);
}
