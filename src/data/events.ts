/** What preparing data tells whoever listens. */

/** The steps, in order. */
export type DataStep = 'find' | 'read' | 'deduplicate' | 'tokenizer' | 'pack';

export type DataEvent =
  | { readonly kind: 'step_started'; readonly step: DataStep }
  | {
      readonly kind: 'step_progress';
      readonly step: DataStep;
      readonly done: number;
      readonly total: number;
      readonly unit: string;
      /** What is worked on: a file or a document. */
      readonly at?: string;
    }
  | { readonly kind: 'step_finished'; readonly step: DataStep; readonly seconds: number; readonly summary: string }
  /** Everything was there already. */
  | { readonly kind: 'cached'; readonly folder: string; readonly seconds: number }
  /** Something a user may want to know: files skipped, a vocabulary that stayed small. */
  | { readonly kind: 'notice'; readonly text: string };

export type DataListener = (event: DataEvent) => void;
