/**
 * The shape of the project, as data: folders of `src/` in import order (a folder imports only from folders above it) and the passes of
 * the compiler in the order in which they run. The lint rules, the README's figure, `--dump-ir` and docs/architecture.md are made from
 * these two lists; `tests/architecture.test.ts` holds them against the code.
 */

/** @typedef {{ name: string, about: string, node?: 'some' | 'all' }} Folder `node`: where Node's own modules may be used. */

/** @type {readonly Folder[]} */
export const folders = [
  { name: 'ir', about: 'types, layouts, graph, op interface, builder, printer and parser' },
  { name: 'options', about: 'what an option says of itself; checks, rows and messages made from that' },
  { name: 'ops', about: 'one file per op: signature, meaning, backward, cost, example' },
  { name: 'nn', about: 'layers, and models that people read and change' },
  { name: 'optim', about: 'optimizers, schedules and clipping, as graph builders' },
  { name: 'kernels', about: 'which native kernel serves an op, how it sees its operands, its workspace' },
  { name: 'cost', about: 'one price for collectives, used by everything below' },
  { name: 'reshard', about: 'layout to layout by shortest path over collectives' },
  { name: 'schedule', about: 'pipeline schedules as tables' },
  { name: 'plan', about: 'the plan format, and plans from parallel sizes' },
  { name: 'passes', about: 'graph to graph: autodiff, precision, dead code' },
  { name: 'partition', about: 'graph and plan to placed graph; the placement checker' },
  { name: 'program', about: 'the language: instructions, values, contracts; print, unroll' },
  { name: 'memory', about: 'lifetimes to addresses, in one arena' },
  { name: 'verify', about: 'the proof: reads programs and placed graphs, never the lowering' },
  { name: 'lower', about: 'placed graph to program: classes of equal ranks, templates, lanes, folding' },
  { name: 'compile', about: 'model and plan to program, pass by pass; the quote of a plan' },
  { name: 'engine', about: 'reference and native executors behind one interface', node: 'some' },
  { name: 'data', about: 'tokenizers, token files, deterministic order', node: 'all' },
  { name: 'checkpoint', about: 'safetensors and manifest, written atomically', node: 'all' },
  {
    name: 'config',
    about: 'one schema: files, options, their pages; what a user wrote, resolved or refused',
    node: 'all',
  },
  { name: 'run', about: 'a run as it lies on disk: folder, lock, identity, state, checkpoints', node: 'all' },
  {
    name: 'train',
    about: 'the step loop and its policies: length, stopping, saving, evaluation, sampling',
    node: 'all',
  },
  { name: 'launch', about: 'processes, rendezvous, what they tell each other; train and resume', node: 'all' },
  { name: 'compare', about: 'where two runs part: data, seed, state, or the value and the instruction', node: 'all' },
  { name: 'observe', about: 'metrics, traces, the live panel', node: 'all' },
  { name: 'cli', about: 'commands, without logic of their own', node: 'all' },
];

/** Parts of folders that use Node's modules although the rest of the folder runs in a browser. */
export const nodeParts = ['engine/native'];

/** @typedef {{ name: string, about: string, file: string }} Pass */

/** @type {readonly Pass[]} What `--dump-ir=after:NAME` can show. Each has a page in docs/passes/, made of its worked examples. */
export const passes = [
  { name: 'trace', file: 'src/nn/trace.ts', about: 'the forward of one scheduled microbatch, as model code wrote it' },
  {
    name: 'autodiff',
    file: 'src/passes/autodiff.ts',
    about: 'gradients appended; each backward node knows its forward node',
  },
  { name: 'eliminate_dead_code', file: 'src/passes/eliminate_dead_code.ts', about: 'what no output needs is dropped' },
  {
    name: 'precision',
    file: 'src/passes/precision.ts',
    about: 'compute types chosen; parameter gradients in f32 or bf16',
  },
  {
    name: 'exact_sums',
    file: 'src/passes/exact_sums.ts',
    about: 'where the plan is to be reproducible, sums have no order',
  },
  {
    name: 'head_tail',
    file: 'src/passes/head_tail.ts',
    about: 'sequences stored so that ranks have equally much to do',
  },
  {
    name: 'ring_attention',
    file: 'src/passes/ring_attention.ts',
    about: 'where the plan turns rings, attention in steps, one part of the keys in each',
  },
  {
    name: 'cast_by_group',
    file: 'src/passes/cast_by_group.ts',
    about: 'each group casts its own copy of a parameter',
  },
  {
    name: 'split_sums',
    file: 'src/passes/split_sums.ts',
    about: 'sums over chunks are left to the update, once a step',
  },
  {
    name: 'split_backward',
    file: 'src/passes/split_backward.ts',
    about: 'where the schedule asks for it, gradients of weights are set apart',
  },
  {
    name: 'partition',
    file: 'src/partition/partition.ts',
    about: 'an assignment for every op, a layout for every value, reshards explicit; checked',
  },
  {
    name: 'fuse_einsum_add',
    file: 'src/partition/fuse_einsum_add.ts',
    about: 'a bias joins the product that it is added to',
  },
  {
    name: 'recompute',
    file: 'src/partition/recompute.ts',
    about: 'what the plan would rather make again than keep is made again in the backward',
  },
  {
    name: 'buckets',
    file: 'src/partition/buckets.ts',
    about: 'parameters that are stored, gathered, reduced and updated together, as one flat value',
  },
  { name: 'hoist', file: 'src/lower/hoist.ts', about: 'each collective starts as soon as its operand is there' },
  {
    name: 'lower',
    file: 'src/lower/lower_class.ts',
    about: 'templates of instructions on lanes, one text for equal ranks',
  },
  { name: 'assign_memory', file: 'src/memory/assign_memory.ts', about: 'an address for every buffer, in one arena' },
  { name: 'fold', file: 'src/lower/fold.ts', about: 'the text of equal layers written once, in loops' },
];
