import { defineDiagnostic } from '../ir/diagnostic.js';
import type { KernelSite } from './site.js';

export const noNativeKernel = defineDiagnostic('kernels/no-native-kernel', (p: { site: KernelSite }) => {
  const block = (b: KernelSite['inputs'][number]) =>
    `${b.dtype}[${b.sizes.join(' ')}] strides [${b.strides.join(' ')}]`;
  return {
    what: `no native kernel runs ${p.site.op} on these operands`,
    why: `${p.site.inputs.map((b, i) => `[${p.site.rule.operands[i].join(' ')}] ${block(b)}`).join(', ')} -> ${p.site.outputs
      .map((b, i) => `[${p.site.rule.results[i].join(' ')}] ${block(b)}`)
      .join(', ')}`,
    where: [{ at: p.site.op }],
    fix: `write the op so that its factors fall into the roles of a kernel in native/kernels/README.md, or run with --engine reference`,
  };
});
