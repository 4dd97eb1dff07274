/** Compiles and verifies the program of all ranks of one entry, whose name is the argument; prints a JSON line as each phase ends. */
import { ops } from '../../src/ops/index.js';
import { adamw } from '../../src/optim/index.js';
import { describeModel } from '../../src/plan/describe_model.js';
import { planOfSizes } from '../../src/plan/parallel_sizes.js';
import { compileTraining } from '../../src/compile/compile.js';
import { nativeKernels } from '../../src/kernels/native_kernels.js';
import type { PassName } from '../../src/passes/pass_names.js';
import { verifyProgram } from '../../src/verify/index.js';
import type { PhaseReport } from './compile.js';
import { compileEntries, ranksOf, type CompileEntry } from './entries.js';

/** The phases of compiling by the pass that ends each; lowering ends with the compiler. */
const lastPasses = { trace: 'precision', partition: 'buckets' } as const satisfies Record<string, PassName>;

function compileEntry(entry: CompileEntry): void {
  const { parallel, microbatches, context } = entry;
  const ranks = ranksOf(entry);
  let [began, used] = [performance.now(), processorSeconds()];
  const ended = (phase: PhaseReport['phase'], more: Partial<PhaseReport> = {}): void => {
    const seconds = (performance.now() - began) / 1000;
    const spent = processorSeconds() - used;
    const report: PhaseReport = { phase, seconds, processorSeconds: spent, peakBytes: peakBytes(), ...more };
    process.stdout.write(`${JSON.stringify(report)}\n`);
    [began, used] = [performance.now(), processorSeconds()];
  };
  const model = entry.model();
  const batch = { sequences: microbatches * parallel.data_parallel_size, microbatch: 1 };
  const { program, placed } = compileTraining({
    model,
    plan: planOfSizes(parallel, ranks, describeModel(model), batch, { compute: 'bf16', master: 'f32' }),
    sequence: context,
    registry: ops,
    target: 'cpu',
    optimizer: adamw({ lr: 6e-5 }),
    observe: (pass) => {
      if (pass === lastPasses.trace) ended('trace');
      if (pass === lastPasses.partition) ended('partition');
    },
  });
  ended('lower', { classes: program.classes.length });
  const [fault] = verifyProgram(program, placed, ops, nativeKernels(ops, 'cpu'));
  if (fault) throw fault;
  ended('verify');
}

const processorSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

const peakBytes = (): number => process.resourceUsage().maxRSS * 1024;

const entry = compileEntries.find(({ name }) => name === process.argv[2]);
if (!entry) throw new Error(`no entry is named '${process.argv[2]}'`);
compileEntry(entry);
