/** Optimizers: what `import { optim } from 'flotilla'` offers. */
export { adamw, type AdamW, type AdamWOptions } from './options.js';
