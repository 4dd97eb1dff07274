/** Row-major strides of a block of these sizes, in elements: how far apart neighbours along each dimension lie, the last one closest. */
export function rowMajor(sizes: readonly number[]): readonly number[] {
  const strides = sizes.map(() => 1);
  for (let i = sizes.length - 2; i >= 0; i--) strides[i] = strides[i + 1] * sizes[i + 1];
  return strides;
}
