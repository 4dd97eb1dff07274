/**
 * The workspaces of native kernels and collectives, as data: every formula stands here alone. The compiler works them out for a device
 * that need not be there, and the addon's kernels, which are given so many bytes and check it, take them from a header that is written
 * from here (`native/kernels/workspaces.h`).
 *
 * Whole numbers, none negative; `/` rounds down. `up(x, y)` and `down(x, y)` round to a multiple of y, `per(x, y)` is how many y it takes
 * for x, `several(x)` is x, but 0 for 1. Sizes are in elements by the letters of the kernel's operands (native/kernels/README.md); `size`
 * is the bytes of an element, `acc` those of the accumulator.
 */
import { evaluate } from './formula.js';

interface Formula {
  /** What it is made of, for who reads the header. */
  readonly holds: string;
  readonly of: readonly string[];
  readonly is: string;
}

export const formulas = {
  matmul_columns: {
    holds: 'Columns of a chunk of a product, which are packed together: at most 2^21 elements.',
    of: ['n', 'k'],
    is: 'min(up(n, 64), max(64, down(2097152 / max(1, up(k, 2)), 64)))',
  },
  matmul_rows: {
    holds: 'Rows of a chunk: at most 2^20 elements.',
    of: ['m', 'k'],
    is: 'min(up(m, 6), max(192, down(1048576 / max(1, up(k, 2)), 192)))',
  },
  matmul: {
    holds: 'Panels of both operands.',
    of: ['m', 'n', 'k', 'size'],
    is: '(matmul_columns(n, k) + matmul_rows(m, k)) * up(k, 2) * size + 64',
  },
  attention: {
    holds: 'Keys and values, packed.',
    of: ['b', 'g', 't', 'd', 'size'],
    is: 'b * g * (up(t, 64) * up(d, 2) + up(t, 2) * up(d, 64)) * size',
  },
  attention_backward: {
    holds:
      "Queries and do packed both ways, keys packed; in the accumulator's type dq, row sums of do·o, and each head's own gradients of the " +
      'sink and of n biases.',
    of: ['b', 'g', 'r', 's', 't', 'd', 'n', 'size', 'acc'],
    is:
      'b * g * r * 2 * (up(s, 64) * up(d, 2) + up(s, 2) * up(d, 64)) * size' +
      ' + b * g * up(t, 2) * up(d, 64) * size + b * g * r * (up(s, 64) * (up(d, 64) + 1) + up(n + 1, 16)) * acc',
  },
  row_chunks: {
    holds: 'Into how many chunks of rows a sum over t is cut: by t alone, whatever the number of threads.',
    of: ['t'],
    is: 'min(64, max(1, per(t, 32)))',
  },
  layer_norm_backward: {
    holds: 'Gradients of weight and bias, for each chunk of rows.',
    of: ['t', 'c', 'acc'],
    is: 'row_chunks(t) * 2 * c * acc',
  },
  rms_norm_backward: {
    holds: 'Gradients of the weight, for each chunk of rows.',
    of: ['t', 'c', 'acc'],
    is: 'row_chunks(t) * c * acc',
  },
  reduction_chunks: {
    holds: 'Into how many chunks a sum over r is cut.',
    of: ['r'],
    is: 'min(32, max(1, per(r, 1024)))',
  },
  reduction: {
    holds: 'Sums of each chunk, where there are several.',
    of: ['a', 'r', 'c'],
    is: 'a * several(reduction_chunks(r)) * c * 8',
  },
  sum_squares: { holds: 'Sums of 64 chunks, with room to spare.', of: [], is: '1024' },
  square_bins: { holds: 'Three sums of each of 64 chunks.', of: [], is: '64 * 3 * 8' },
  scatter_rounded: { holds: 'The table in f32, where it is bf16.', of: ['elements'], is: 'elements * 4' },
  scatter_any: { holds: 'The table in f64.', of: ['elements'], is: 'elements * 8' },
  reduce_scatter: {
    holds: "The blocks of the group's other members, before they are added.",
    of: ['members', 'elements', 'size'],
    is: '(members - 1) * elements * size',
  },
} satisfies Readonly<Record<string, Formula>>;

export type FormulaName = keyof typeof formulas;

/** A formula's value, its parameters by name. */
export function workspace<N extends FormulaName>(
  name: N,
  given: Readonly<Record<(typeof formulas)[N]['of'][number], number>>,
): number {
  const { of, is }: Formula = formulas[name];
  const values = Object.fromEntries(of.map((parameter) => [parameter, given[parameter as keyof typeof given]]));
  return evaluate(is, values, call);
}

/** A formula that another one calls, its parameters in their order. */
function call(name: string, values: readonly number[]): number {
  if (!Object.hasOwn(formulas, name)) throw new Error(`there is no formula '${name}'`);
  const { of }: Formula = formulas[name as FormulaName];
  return workspace(name as FormulaName, Object.fromEntries(of.map((one, i) => [one, values[i]])) as never);
}

/** The formulas as C++ reads them. */
export function headerText(): string {
  const functions = (Object.entries(formulas) as [string, Formula][]).map(([name, { holds, of, is }]) => {
    const parameters = of.map((one) => `int64_t ${one}`).join(', ');
    return `// ${holds}\ninline int64_t ${name}(${parameters}) {\n  return ${is};\n}`;
  });
  return [
    '// Bytes of workspace. Written from src/kernels/workspaces.ts by `UPDATE=1 npx vitest run src/kernels/workspaces`: change it there.',
    '#pragma once',
    '',
    '#include <algorithm>',
    '#include <cstdint>',
    '',
    'namespace flotilla::workspace {',
    '',
    'inline int64_t min(int64_t x, int64_t y) { return std::min(x, y); }',
    'inline int64_t max(int64_t x, int64_t y) { return std::max(x, y); }',
    'inline int64_t per(int64_t x, int64_t y) { return (x + y - 1) / y; }',
    'inline int64_t up(int64_t x, int64_t y) { return per(x, y) * y; }',
    'inline int64_t down(int64_t x, int64_t y) { return x / y * y; }',
    'inline int64_t several(int64_t x) { return x > 1 ? x : 0; }',
    '',
    functions.join('\n\n'),
    '',
    '}  // namespace flotilla::workspace',
    '',
  ].join('\n');
}
