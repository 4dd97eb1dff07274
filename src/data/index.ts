/** Data: what `import { data } from 'flotilla'` offers. */
export { installed, text, type TextOptions, type TextSource } from './source.js';
export { prepareData, type PrepareOptions } from './prepare.js';
export {
  openDataset,
  type Baseline,
  type Baselines,
  type BatchOptions,
  type DataManifest,
  type Dataset,
} from './dataset.js';
export type { DataEvent, DataListener, DataStep } from './events.js';
export type { Batch, TrainingBatches, ValidationBatches } from './batches.js';
export { loadTokenizer, makeTokenizer, type Tokenizer } from './tokenizer.js';
export type { TokenizerJson } from './tokenizer_json.js';
