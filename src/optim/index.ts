/** Optimizers: what `import { optim } from 'flotilla'` offers. */
export { adamwScalars, type AdamWScalars } from './adamw.js';
export { adamw, type AdamW, type AdamWOptions } from './options.js';
export { learningRate, type Schedule } from './schedule.js';
