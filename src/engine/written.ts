/** What the instructions of a step write into values of the graphs, for whoever watches a step. */
import { operandRoles, operandsOf } from '../program/kinds.js';
import type { RankClass, ValueIndex } from '../program/program.js';
import type { Launch } from '../program/unroll.js';

/** A block that an instruction has written, or added to, as it is then. */
export interface WrittenBlock {
  /** Global rank. */
  readonly rank: number;
  readonly launch: Launch;
  /** In the rank's class. */
  readonly value: ValueIndex;
  /** Row-major. */
  readonly block: Float64Array;
}

export type Watcher = (written: WrittenBlock) => void;

/** The values of the graphs that an instruction writes: no buffers of messages, no workspaces. */
export function valuesWritten({ values }: Pick<RankClass, 'values'>, { instruction }: Launch): readonly ValueIndex[] {
  const roles = operandRoles(instruction);
  return operandsOf(instruction).flatMap(({ value }, i) =>
    roles[i] === 'write' && values[value].is.kind !== 'buffer' ? [value] : [],
  );
}
