/** Model families, one folder each. */
export { GPT } from './gpt/gpt.js';
export type { GPTOptions } from './gpt/options.js';
export { Llama } from './llama/llama.js';
export type { LlamaOptions } from './llama/options.js';
export { Mixtral } from './mixtral/mixtral.js';
export type { MixtralOptions } from './mixtral/options.js';
