/** What is asked of the reference library, which runs in a process of its own, and what it answers. */

export type Question =
  /** Before any other. `whole`: a tokenizer.json as it is; `ordinary`: without its special tokens. Both as text. */
  | { readonly kind: 'start'; readonly whole: string; readonly ordinary: string }
  | { readonly kind: 'encode'; readonly ordinary: boolean; readonly texts: readonly string[] }
  | { readonly kind: 'decode'; readonly ids: readonly Uint32Array[] }
  /** Ends the process, whatever it is doing. Is not answered. */
  | { readonly kind: 'stop' };

export type Answer =
  | { readonly kind: 'started' }
  /** The ids of all texts one after another, and how many each has. */
  | { readonly kind: 'encoded'; readonly ids: Uint32Array; readonly lengths: Uint32Array }
  | { readonly kind: 'decoded'; readonly texts: readonly string[] }
  /** The library said no. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** There is no library for this machine. */
  | { readonly kind: 'missing'; readonly reason: string }
  /** The library ended its process: a panic, or no memory. */
  | { readonly kind: 'ended'; readonly reason: string }
  /** No process runs for this tokenizer, or no more: `start` one. */
  | { readonly kind: 'absent' };

/** From whoever asks to the relay, and on to the process. */
export interface Asked {
  /** Numbers the tokenizers of whoever asks. */
  readonly tokenizer: number;
  /** Numbers the questions. */
  readonly call: number;
  readonly question: Question;
}

/** And back. */
export interface Answered {
  readonly call: number;
  readonly answer: Answer;
}
