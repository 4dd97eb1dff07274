/** What comparing two runs comes to, as data: from what they were asked for down to the first value that is off. */
import type { OffValue } from './replay/off_value.js';

/** A run, as it is told of. */
export interface ComparedRun {
  /** As the caller named it. */
  readonly path: string;
  /** `data 2, f32, native`. */
  readonly what: string;
  /** The last step of which there is a digest; null where there is none. */
  readonly lastStep: number | null;
  /** Whether somebody still works on it: more will come. */
  readonly isGoing: boolean;
}

/** A field of the configuration that decides what is computed, and is another in each run. */
export interface AskedDifference {
  readonly field: string;
  readonly a: string;
  readonly b: string;
}

/** A token that is another one. Steps and samples count from 1, as people do; places from 0. */
export interface TokenDifference {
  readonly sample: number;
  readonly place: number;
  readonly a: number;
  readonly b: number;
}

export type DataFinding =
  | { readonly kind: 'same' }
  | {
      readonly kind: 'differs';
      /** The first step that read something else. */
      readonly step: number;
      /** What the runs say of their data that is not the same, a sentence each. */
      readonly because: readonly string[];
      /** The first token of that step that differs; null where the data of a run is gone. */
      readonly token: TokenDifference | null;
    };

/** What a run began from, or went on from. */
export type StateFinding =
  | { readonly kind: 'same'; /** Steps done before. */ readonly at: readonly number[] }
  | { readonly kind: 'differs'; readonly step: number; readonly tensors: readonly string[]; readonly of: number };

export type StepsFinding =
  | { readonly kind: 'same'; readonly last: number }
  | {
      readonly kind: 'differs';
      readonly step: number;
      /** The last step before it that is the same, bit for bit; null where there is none. */
      readonly before: number | null;
      readonly loss: readonly [number | null, number | null];
      readonly gradientNorm: readonly [number | null, number | null];
      readonly parameters: readonly string[];
      readonly of: number;
    };

/** What a step came to when it was done again from one state, under both plans and serially. */
export interface ReplayFinding {
  readonly step: number;
  /** `the checkpoint of step 2, and 1 step from there`. */
  readonly from: string;
  /** Values that both were held against. */
  readonly values: number;
  readonly off: OffValue | null;
  /** The runs that came here, from the state that they had, to something else than their digests of the step say. */
  readonly unlike: readonly ('A' | 'B')[];
}

/**
 * What a step that was taken again says: one value is off; what a digest says of it does not come about; or sums were only rounded in another
 * order.
 */
export type ReplayVerdict = 'value' | 'unrepeated' | 'rounding';

/** In what the runs differ first: in what they were given, or in what they computed. */
export type Verdict = 'same' | 'data' | 'seed' | 'options' | 'state' | ReplayVerdict;

export interface Comparison {
  readonly a: ComparedRun;
  readonly b: ComparedRun;
  readonly asked: readonly AskedDifference[];
  readonly data: DataFinding;
  readonly seeds: readonly [number, number];
  readonly state: StateFinding;
  readonly steps: StepsFinding;
  /** None where what was given differs already. */
  readonly replays: readonly ReplayFinding[];
  readonly verdict: Verdict;
}
