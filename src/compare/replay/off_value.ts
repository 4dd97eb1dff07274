/** A value that is further from the serial step's than rounding takes it, and who made it. */
export interface OffValue {
  /** Whose it is. */
  readonly run: 'A' | 'B';
  /** As the run's program names it: `blocks.0.mlp.up/gelu%23`. */
  readonly name: string;
  readonly graph: 'step' | 'update';
  /** Scheduled microbatch, from 0; null for what is one a step. */
  readonly microbatch: number | null;
  /** Global rank whose block it is. */
  readonly rank: number;
  /** The element that is furthest off, by its factors: `batch 0, sequence 3, dim 1`. */
  readonly element: string;
  /** There: as the serial step has it, and as the run does. */
  readonly exact: number;
  readonly found: number;
  /** The largest distance of the run's from the serial step's, and what was allowed. */
  readonly distance: number;
  readonly allowed: number;
  /** How far the other run's are; null where it has no such value. */
  readonly others: number | null;
  /** The instruction that made it: `gelu, forward.first[12] of microbatch 0`. */
  readonly instruction: string;
  /** Its op and its place in the model: `gelu, blocks.0.mlp (forward)`. */
  readonly op: string;
}
