/** `npm run bench -- step | parallel | strategies | reproducible | learning | memory | threads | verify | compile [--json FILE] …`: dispatches, prints a line a row, writes the rows. */
import { parseArgs } from 'node:util';
import { cores } from '../src/engine/native/cores.js';
import { benchModelNames } from './contestant/models.js';
import { printRow, writeRows, type Row } from './rows.js';

const usage = `usage: npm run bench -- BENCH [--json FILE] [options]

  step       time, throughput, MFU and peak memory of a training step: ours, PyTorch eager and compiled, DDP on two ranks
               --device cpu | cuda  --model demo | gpt2-124m | small | tiny  --rounds 5  --block 4 (of cuda: 20)
               --only TEXT  --no-compile  --compile-seconds 400  --threads N  --profile
  parallel   a step of two ranks by each strategy, f32 and bf16, ours and PyTorch's (DDP, FSDP2, DTensor, pipelining, context by hand)
               --model demo  --rounds 15  --only TEXT  --threads N  --profile
  strategies one small model by data, tensor, context, pipeline and hybrid plans: bytes and synchronisations of a run beside what the program states
               --only TEXT  --steps 10  --threads N
  reproducible what it costs that a step is reproducible: arena, bytes on the wire, time, of a few plans as usual and so
               --model demo  --rounds 5  --block 4  --only TEXT  --threads N
  learning   the loss after the same steps on the same batches: ours and PyTorch's
               --steps 200  --ranks 1  --compute bf16  --threads N
  memory     arena over live bytes of each program, highest byte written, resident growth, allocations
               --minimalloc DIR  --only TEXT  --no-run
  threads    a step with each way in which OpenMP's threads wait, the machine as it is and busy
               --model tiny | demo  --rounds 5  --block 4  --threads N
  verify     seconds to compile and to verify the program of GPT-3 on 128 ranks
               --microbatches 16
  compile    seconds of each phase and peak memory of compiling models of up to 405 billion parameters for up to 16,384 ranks
               --only TEXT  --parts "quote, own class, all classes"  --limit 60 (seconds an entry may take)`;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: {
    json: { type: 'string' },
    rounds: { type: 'string' },
    block: { type: 'string' },
    device: { type: 'string', default: 'cpu' },
    model: { type: 'string' },
    only: { type: 'string' },
    compile: { type: 'boolean', default: true },
    'compile-seconds': { type: 'string', default: '400' },
    threads: { type: 'string', default: String(cores()) },
    profile: { type: 'boolean', default: false },
    steps: { type: 'string' },
    ranks: { type: 'string', default: '1' },
    compute: { type: 'string', default: 'bf16' },
    minimalloc: { type: 'string' },
    run: { type: 'boolean', default: true },
    microbatches: { type: 'string', default: '16' },
    limit: { type: 'string', default: '60' },
    parts: { type: 'string', default: 'quote, own class, all classes' },
  },
});
const { only, threads } = { only: values.only, threads: Number(values.threads) };

const benches: Readonly<Record<string, () => Promise<readonly Row[]>>> = {
  step: async () =>
    (await import('./step.js')).runStep({
      ...stepSubject(),
      rounds: Number(values.rounds ?? 5),
      only,
      compile: values.compile,
      compileSeconds: Number(values['compile-seconds']),
      profile: values.profile,
      threads,
      emit: printRow,
    }),
  parallel: async () => {
    const { printParallelRow, runParallel } = await import('./parallel/parallel.js');
    return runParallel({
      model: oneOf(benchModelNames, values.model ?? 'demo'),
      rounds: Number(values.rounds ?? 15),
      ...{ only, threads, profile: values.profile },
      emit: printParallelRow,
    });
  },
  strategies: async () => {
    const { printStrategyRow, runStrategies } = await import('./strategies/strategies.js');
    return runStrategies({ only, threads, steps: Number(values.steps ?? 10), emit: printStrategyRow });
  },
  reproducible: async () => {
    const { printReproducibleRow, runReproducible } = await import('./reproducible.js');
    return runReproducible({
      model: oneOf(benchModelNames, values.model ?? 'demo'),
      rounds: Number(values.rounds ?? 5),
      block: Number(values.block ?? 4),
      ...{ only, threads },
      emit: printReproducibleRow,
    });
  },
  learning: async () =>
    (await import('./learning.js')).runLearning({
      steps: Number(values.steps ?? 200),
      ranks: Number(values.ranks),
      compute: values.compute === 'f32' ? 'f32' : 'bf16',
      threads,
    }),
  memory: async () =>
    (await import('./memory/memory.js')).runMemory({ minimalloc: values.minimalloc, only, run: values.run, threads }),
  threads: async () =>
    (await import('./threads.js')).runThreads({
      rounds: Number(values.rounds ?? 5),
      block: Number(values.block ?? 4),
      threads,
      models: values.model === undefined ? ['tiny', 'demo'] : [oneOf(benchModelNames, values.model)],
      emit: printRow,
    }),
  verify: async () => (await import('./verify.js')).runVerify({ microbatches: Number(values.microbatches) }),
  compile: async () => {
    const { compileParts, printCompileRow, runCompile } = await import('./compile/compile.js');
    const parts = values.parts.split(',').map((part) => oneOf(compileParts, part.trim()));
    return runCompile({ only, parts, limitSeconds: Number(values.limit), emit: printCompileRow });
  },
};

function stepSubject() {
  const device = oneOf(['cpu', 'cuda'] as const, values.device);
  const model = oneOf(benchModelNames, values.model ?? (device === 'cpu' ? 'demo' : 'gpt2-124m'));
  return { device, model, block: Number(values.block ?? (device === 'cpu' ? 4 : 20)) };
}

function oneOf<T extends string>(known: readonly T[], given: string): T {
  const found = known.find((one) => one === given);
  if (found !== undefined) return found;
  console.error(`'${given}' is none of ${known.join(', ')}\n${usage}`);
  process.exit(2);
}

const bench = benches[positionals[0]];
if (!bench || positionals.length > 1) {
  console.error(usage);
  process.exit(2);
}
const rows = await bench();
writeRows(values.json, rows);
const missed = rows.filter(({ ratio, target }) => ratio !== null && target !== null && ratio < target);
if (missed.length > 0) {
  console.log('below target:');
  missed.forEach(printRow);
}
