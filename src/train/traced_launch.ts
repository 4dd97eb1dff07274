/** One instruction as it ran. */
export interface TracedLaunch {
  readonly rank: number;
  /** `compute`, or where it communicates: `group 0`, `send`. */
  readonly lane: string;
  /** Of the instruction: `einsum`, `all_reduce`. */
  readonly name: string;
  /** kernel, collective, send, recv, copy, wait. */
  readonly kind: string;
  /** From the start of the recording. */
  readonly startSeconds: number;
  readonly seconds: number;
  /** Shown when the launch is selected: its place in the model, bytes, microbatch. */
  readonly details?: Readonly<Record<string, string | number>>;
}
