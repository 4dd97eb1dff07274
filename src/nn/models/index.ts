/** Model families, one file each. */
export { GPT, type GPTOptions } from './gpt.js';
export { Llama, type LlamaOptions } from './llama.js';
export { Mixtral, type MixtralOptions } from './mixtral.js';
