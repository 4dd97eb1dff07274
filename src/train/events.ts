/**
 * What a run tells whoever listens: the panel, metrics.jsonl, a test. Rank 0 emits them; nothing in the run depends on a listener.
 *
 * Losses are in nats a token; times in seconds, `at` in milliseconds since 1970.
 */

import type { LossCurve } from '../run/loss_curve.js';

/** One event, before it is stamped with its time. */
export type TrainEventBody =
  /** A part of the set-up begins: reading data, building the addon, compiling. */
  | { readonly kind: 'setup_started'; readonly part: string }
  | SetupProgressEvent
  | { readonly kind: 'setup_finished'; readonly part: string; readonly seconds: number; readonly detail?: string }
  | CompiledEvent
  | StartedEvent
  /** The run's length became known, once: from the configuration, or from ten timed steps. */
  | { readonly kind: 'length'; readonly steps: number }
  | StepEvent
  | ValidationEvent
  | {
      readonly kind: 'checkpoint';
      readonly step: number;
      readonly path: string;
      readonly bytes: number;
      readonly seconds: number;
    }
  /** A piece of the sample as it is generated, the prompt first. `sample` tells the whole, once it is. */
  | { readonly kind: 'sample_text'; readonly step: number; readonly text: string }
  | { readonly kind: 'sample'; readonly step: number; readonly prompt: string; readonly text: string }
  /** The run's losses, drawn into a file. */
  | { readonly kind: 'curve'; readonly file: string; readonly curve: LossCurve }
  | { readonly kind: 'warning'; readonly code: string; readonly message: string }
  | { readonly kind: 'summary'; readonly summary: RunSummary };

export type TrainEvent = TrainEventBody & { readonly at: number };

/** How far a part of the set-up is that takes long, some times a second. */
export interface SetupProgressEvent {
  readonly kind: 'setup_progress';
  readonly part: string;
  readonly done: number;
  readonly total: number;
  /** Of `done` and `total`: `bytes`, `documents`, `merges`. */
  readonly unit: string;
  /** What is worked on: a file or a document. */
  readonly item?: string;
}

/** The program is ready and verified, the first step not yet run. */
export interface CompiledEvent {
  readonly kind: 'compiled';
  readonly parameters: number;
  /** Of one rank. */
  readonly instructions: number;
  /** One line: `pipeline 2 × data 2, ZeRO-1`. */
  readonly plan: string;
  readonly peakBytesPredicted: number;
  readonly seconds: number;
}

export interface StartedEvent {
  readonly kind: 'started';
  /** Name of the run folder. */
  readonly name: string;
  readonly ranks: number;
  readonly engine: string;
  readonly device: string;
  readonly precision: string;
  readonly tokensPerStep: number;
  /** Null until it is known. */
  readonly steps: number | null;
  /** For how long the run is to last, where that decides its steps. */
  readonly minutes: number | null;
  /** The step of the checkpoint that the run goes on from; null for a new run. */
  readonly resumedFrom: number | null;
  /** From launch until now. */
  readonly setupSeconds: number;
  /** How OpenMP's threads wait for each other; null where none compute. */
  readonly threadsWait: string | null;
}

/** One step done. */
export interface StepEvent {
  readonly kind: 'step';
  /** Steps done, this one included. */
  readonly step: number;
  /** Cross-entropy in nats a token, without what is trained on besides; of a model with a loss of its own, that. */
  readonly loss: number;
  /** What is trained on besides, by the names of its terms, such as `balance` of routers: each a mean, not weighed. */
  readonly terms: Readonly<Record<string, number>>;
  /** Before clipping. */
  readonly gradNorm: number;
  readonly lr: number;
  readonly stepSeconds: number;
  /** Over all ranks. */
  readonly tokensPerSecond: number;
  /** Model flops over what this machine's measured matrix-product peak would do in the time; null where no peak was measured. */
  readonly peakShare: number | null;
  /** That training takes of rank 0's memory, as its predicted peak counts them; null where it is not measured. */
  readonly memoryBytes: number | null;
}

export interface ValidationEvent {
  readonly kind: 'validation';
  readonly step: number;
  /** Cross-entropy of the model’s logits, in nats a token, whatever it trains on. */
  readonly loss: number;
  readonly bitsPerByte: number | null;
}

/** What a run came to. Written by `--json`, each name in snake case. Null: not measured in this run. */
export interface RunSummary {
  readonly name: string;
  readonly ranks: number;
  readonly engine: string;
  readonly device: string;
  readonly precision: string;
  readonly plan: string;
  readonly parameters: number;
  /** Of the run, those before a resume included. */
  readonly steps: number;
  /** Trained on in those steps. */
  readonly tokens: number;
  /** Updates that were left out, since a gradient was not finite; of this part of the run, since its start or the last resume. */
  readonly skippedUpdates: number;
  /** Mean over the last steps. */
  readonly trainingLoss: number | null;
  readonly validationLoss: number | null;
  /** The steps that were done when it was measured. */
  readonly validationStep: number | null;
  /** The same validation tokens under counts of single tokens, and under Witten-Bell bigrams. */
  readonly unigramLoss: number | null;
  readonly bigramLoss: number | null;
  readonly bitsPerByte: number | null;
  /** Whether the tokenizer gives back what it was given; where not, its bits a byte do not compare with those of others. */
  readonly keepsText: boolean;
  readonly tokensPerSecond: number | null;
  readonly stepSeconds: number | null;
  readonly peakShare: number | null;
  readonly peakBytesPredicted: number | null;
  readonly peakBytesMeasured: number | null;
  readonly setupSeconds: number;
  readonly trainSeconds: number;
  /** The picture of the loss curve; null where none was drawn. */
  readonly picture: string | null;
  /** The run folder. */
  readonly folder: string;
}

export type TrainListener = (event: TrainEvent) => void;

/** Where a run emits its events. */
export interface TrainEvents {
  emit(event: TrainEventBody): void;
  /** Calls `listener` with every event from now on; returns how to stop. One that throws is told no more, which is a warning. */
  subscribe(listener: TrainListener): () => void;
}

/** `now`: milliseconds since 1970. */
export function trainEvents(now: () => number = Date.now): TrainEvents {
  const listeners = new Set<TrainListener>();
  return {
    emit,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };

  function emit(body: TrainEventBody): void {
    const event = { ...body, at: now() };
    for (const listener of listeners) {
      try {
        listener(event);
      } catch (error) {
        // Nothing in the run depends on it: it hears no more, and the others hear why.
        listeners.delete(listener);
        const problem = error instanceof Error ? error.message : String(error);
        const message = `a listener of the run's events has failed at '${body.kind}' and is told no more: ${problem}`;
        emit({ kind: 'warning', code: 'train/listener-failed', message });
      }
    }
  }
}
