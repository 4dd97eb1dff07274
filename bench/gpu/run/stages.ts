/** The stages of a run on a GPU, the most valuable first: what each shows, how long it may take, and what does it. */

export interface Stage {
  readonly name: string;
  /** What is known once it has passed. */
  readonly shows: string;
  /** Seconds at most in a run of eight minutes; other runs scale them. Their sum is more than eight minutes: most end early. */
  readonly seconds: number;
  /** Whether later stages are not begun where it fails; it runs whatever stages are asked for. */
  readonly essential: boolean;
  readonly work: StageWork;
}

/** A program beside this folder, by name, or test files, as vitest's filters. */
export type StageWork =
  | { readonly program: string }
  | {
      readonly tests: readonly string[];
      /** Files that run PyTorch too: they need an interpreter that imports the torch in use. */
      readonly testsOfPython: readonly string[];
    };

export const stages: readonly Stage[] = [
  {
    name: 'build',
    shows: 'the addon compiles against the torch that is there, and loads',
    seconds: 300,
    essential: true,
    work: { program: 'addon' },
  },
  {
    name: 'found',
    shows: 'GPU, driver, torch, NCCL; measured peaks: matmul in bf16 and f32, copy bandwidth, launch overhead',
    seconds: 45,
    essential: false,
    work: { program: 'found' },
  },
  {
    name: 'kernels',
    shows: 'every native kernel computes what its op means; engines copy, trace and end',
    seconds: 90,
    essential: false,
    work: {
      tests: ['kernels', 'library_forms', 'bridge', 'collectives'].map((name) => `src/engine/native/${name}.test.ts`),
      testsOfPython: [],
    },
  },
  {
    name: 'steps',
    shows: 'whole steps equal the reference engine’s and PyTorch’s; training and checkpoints work',
    seconds: 180,
    essential: false,
    work: {
      // Left out: tests/training/processes and /not_finite. Their ranks take minutes on a CPU; on a GPU, run the one-rank ones by hand.
      tests: ['native_equals_serial', 'training/training', 'training/mixtral']
        .map((name) => `tests/${name}.test.ts`)
        .concat('src/checkpoint/'),
      testsOfPython: ['tests/native/ours_equals_theirs.test.ts'],
    },
  },
  {
    name: 'demo',
    shows: '50 steps of a GPT of 14 M parameters: loss against the CPU’s, and the same bits in two runs',
    seconds: 60,
    essential: false,
    work: { program: 'demo' },
  },
  {
    name: 'memory',
    shows: 'the highest byte of the arena that is written is the predicted one; steady steps allocate nothing',
    seconds: 45,
    essential: false,
    work: { program: 'memory' },
  },
  {
    name: 'step',
    shows: 'GPT-2 124M in bf16: step time, tokens/s, MFU and peak memory against PyTorch, eager and compiled',
    seconds: 200,
    essential: false,
    work: { program: 'step' },
  },
  {
    name: 'profile',
    shows: 'the twenty most expensive launches, and how long the stream idles',
    seconds: 45,
    essential: false,
    work: { program: 'profile' },
  },
  {
    name: 'ranks',
    shows: 'two ranks on one device compute what one does',
    seconds: 100,
    essential: false,
    work: { program: 'two_ranks' },
  },
];
