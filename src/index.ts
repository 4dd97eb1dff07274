/** What `import … from 'flotilla'` gives. */
export * as nn from './nn/index.js';
export * as models from './nn/models/index.js';
export * as optim from './optim/index.js';
export type { Tensor } from './ir/tensor.js';
export { DiagnosticError } from './ir/diagnostic.js';
