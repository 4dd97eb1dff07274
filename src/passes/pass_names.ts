/** The points at which `--dump-ir=after:NAME` can look. */
export const passNames = [
  'trace',
  'autodiff',
  'eliminate_dead_code',
  'precision',
  'exact_sums',
  'head_tail',
  'ring_attention',
  'cast_by_group',
  'split_sums',
  'split_backward',
  'partition',
  'fuse_einsum_add',
  'recompute',
  'buckets',
  'hoist',
  'lower',
  'assign_memory',
  'fold',
] as const;
export type PassName = (typeof passNames)[number];

/** Shown what each pass leaves; the text is made only where it is asked for. */
export type PassObserver = (pass: PassName, print: () => string) => void;
