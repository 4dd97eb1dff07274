/** Layers, and what models are made of. */
export { Attention, type AttentionOptions } from './attention.js';
export { Dropout, type DropoutOptions } from './dropout.js';
export { Embedding, type EmbeddingOptions } from './embedding.js';
export { normal, ones, zeros, type Init } from './init.js';
export type { Denominator } from './denominators.js';
export {
  crossEntropy,
  LanguageModel,
  sumOverRealTokens,
  type LanguageModelOptions,
  type LossTerm,
  type SummedLoss,
} from './language_model.js';
export { Linear, type LinearOptions } from './linear.js';
export { Mixture, type MixtureOptions, type MixtureResult } from './mixture.js';
export { MLP, SwiGLU, type MLPOptions } from './mlp.js';
export { Module, Parameter, type FactorSizes } from './module.js';
export { LayerNorm, RMSNorm, type NormOptions } from './norm.js';
export { positionsOf } from './positions.js';
export { RelativeBias, type RelativeBiasOptions } from './relative_positions.js';
export { ropeTypes, type RotaryOptions, type RotaryScaling } from './rotary.js';
