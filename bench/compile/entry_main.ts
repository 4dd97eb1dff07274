/** Does the parts that are named of one entry: its name is the first argument, parts are the others; prints a JSON line as each phase ends. */
import { ops } from '../../src/ops/index.js';
import { adamw } from '../../src/optim/index.js';
import { describeModel } from '../../src/plan/describe_model.js';
import { planOfSizes } from '../../src/plan/parallel_sizes.js';
import { compileTraining, trainingGraphs } from '../../src/compile/compile.js';
import { quoteTraining } from '../../src/compile/quote.js';
import type { LoweredClass } from '../../src/lower/lower_class.js';
import { nativeKernels } from '../../src/kernels/native_kernels.js';
import type { PassName } from '../../src/passes/pass_names.js';
import type { Program } from '../../src/program/program.js';
import { faultsOf, parseProof, proofText, verifyClasses, type Specification } from '../../src/verify/index.js';
import type { PhaseReport } from './compile.js';
import { compileEntries, ranksOf, type CompileEntry } from './entries.js';

/** Lowering comes after it. */
const lastPassOfPartition: PassName = 'buckets';

function compileEntry(entry: CompileEntry, parts: readonly string[]): void {
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
  const plan = planOfSizes(parallel, ranks, describeModel(model), batch, { compute: 'bf16', master: 'f32' });
  const given = {
    model,
    plan,
    sequence: context,
    registry: ops,
    target: 'cpu',
    optimizer: adamw({ lr: 6e-5 }),
  } as const;
  const graphs = trainingGraphs(given);
  ended('trace');
  if (parts.includes('quote')) {
    quoteTraining(given, graphs);
    ended('quote');
  }
  if (parts.includes('own class')) {
    // Of the last group, whose head is the most text.
    const { program, placed } = compileTraining({ ...given, rank: ranks - 1 }, graphs);
    ended('own class');
    prove(program, placed);
    ended('own proof');
  }
  if (!parts.includes('all classes')) return;
  const observe = (pass: PassName): void => {
    if (pass === lastPassOfPartition) ended('partition');
  };
  const { program, placed } = compileTraining({ ...given, observe }, graphs);
  const ratio = (one: Pick<LoweredClass, 'arenaBytes' | 'liveBytes'>) => one.arenaBytes / one.liveBytes;
  ended('lower', { classes: program.classes.length, arenaOverLive: Math.max(...program.classes.map(ratio)) });
  const proofs = prove(program, placed);
  ended('verify');
  const [fault] = faultsOf(
    program.groups,
    proofs.map((text) => parseProof(text)!),
  );
  if (fault) throw fault;
  ended('meetings');
}

/** The proofs of a program's classes, as their first ranks tell them. */
const prove = (program: Program, placed: Specification): readonly string[] =>
  verifyClasses(program, placed, ops, nativeKernels(ops, 'cpu')).map(proofText);

const processorSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

const peakBytes = (): number => process.resourceUsage().maxRSS * 1024;

const entry = compileEntries.find(({ name }) => name === process.argv[2]);
if (!entry) throw new Error(`no entry is named '${process.argv[2]}'`);
compileEntry(entry, process.argv.slice(3));
