/** What a training step of a GPT has to compute, and what a device could compute in that time: the two halves of MFU. */
import type { ModelSizes } from './contestant/models.js';

/** As rows of a bench state it. */
export const modelFlopsFormula =
  '6·N + 12·layers·dim·context a token, N without positions; attention counted whole, as if not causal';

/**
 * Floating-point operations of forward and backward for one token: 6 for each parameter that is multiplied by (the table of positions
 * is only added; the head is the embedding's own weight, so it counts once), and those of attention's scores and values.
 *
 * Source: Chowdhery et al. 2022 (PaLM, arXiv:2204.02311) appendix B.
 */
export function modelFlopsPerToken({ layers, dim, context, vocab }: ModelSizes): number {
  const parameters = vocab * dim + layers * (12 * dim ** 2 + 13 * dim) + 2 * dim;
  return 6 * parameters + 12 * layers * dim * context;
}

/** NVIDIA's datasheet for H100 SXM and H200 SXM: dense bf16. Null for any other device, their PCIe cards included. */
export function datasheetBf16Peak(gpu: string | null): number | null {
  return gpu !== null && /\b(H100|H200)\b/.test(gpu) && !/\b(PCIe|NVL)\b/.test(gpu) ? 989e12 : null;
}
