/** How diagnostics name instructions and classes. */
import type { Lane } from '../program/program.js';

/** An instruction, for people. */
export interface DescribedLine {
  readonly template: string;
  /** Position in the template. */
  readonly index: number;
  /** What it is, in a few words. */
  readonly title: string;
  readonly lane: Lane;
  /** The part of the model, and the direction; empty where there is none. */
  readonly of: string;
}

/** `backward.first[12] all_reduce of microbatch 2 on group:data, blocks.0.mlp backward` */
export function describeLine({ template, index, title, lane, of }: DescribedLine, microbatch?: number): string {
  const when = microbatch === undefined ? '' : ` of microbatch ${microbatch}`;
  return `${template}[${index}] ${title}${when}${lane === 'compute' ? '' : ` on ${lane}`}${of ? `, ${of}` : ''}`;
}

/** `group 0, class 1, ranks 2, 3` */
export function describeMembers(name: string, ranks: readonly number[]): string {
  const shown = ranks.length <= 4 ? ranks.join(', ') : `${ranks.slice(0, 3).join(', ')} and ${ranks.length - 3} more`;
  return `${name}, rank${ranks.length === 1 ? '' : 's'} ${shown}`;
}
