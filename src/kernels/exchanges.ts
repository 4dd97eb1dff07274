/**
 * Workspace of collectives on the native engine, the same on every type of device: all but all-reduce and broadcast are sends and receives
 * (docs/decisions/004-exchanges-on-gloo.md), which land in the result itself but for those of a reduce-scatter.
 */
import { dtypeBytes, type DType } from '../ir/dtype.js';
import { workspace } from './workspaces.js';

/** What a collective asks of the kernel table. */
export interface ExchangeShape {
  /** `reduce_scatter`, `all_gather`. */
  readonly kind: string;
  /** Ranks of the group. */
  readonly members: number;
  readonly dtype: DType;
  /** Elements of one rank's result. */
  readonly outputElements: number;
}

/** A reduce-scatter receives every other member's block before it adds them: its own may be its operand's, and is read where it lies. */
export const exchangeBytes = ({ kind, members, dtype, outputElements }: ExchangeShape): number =>
  kind === 'reduce_scatter'
    ? workspace('reduce_scatter', { members, elements: outputElements, size: dtypeBytes[dtype] })
    : 0;
