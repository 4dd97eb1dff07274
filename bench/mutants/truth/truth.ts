/**
 * What is true of a mutant: it is run under schedules that hold and rush lanes, starve ranks and aim at the place that was changed, by a
 * host that writes and reads what the mutant says that it takes and gives. It is wrong where any of them gives other numbers, hangs or
 * fails, or where what it says of views, letters and the state after a step is not so.
 */
import {
  execute,
  loadClasses,
  type Execution,
  type Policy,
  type Workspaces,
} from '../../../src/engine/reference/index.js';
import type { Mesh } from '../../../src/ir/mesh.js';
import type { Observer } from '../../../src/engine/reference/machine.js';
import type { GlobalValues } from '../../../src/engine/reference/shards.js';
import { referenceKernels } from '../../../src/ops/evaluate.js';
import { ops } from '../../../src/ops/index.js';
import { exchangeShape, kernelShape } from '../../../src/program/kernel_shape.js';
import type { KernelChooser } from '../../../src/kernels/chooser.js';
import type { CollectiveInstruction, KernelInstruction, Program, RankClass } from '../../../src/program/program.js';
import type { Scenario } from '../../../tests/scenarios/scenario.js';
import { brokenContract, heldBlocks, hostBlocks, hostResults } from './host.js';
import { policiesFor, type Aim } from './policies.js';
import { viewWatch, wrongLetters } from './statements.js';

export interface Judgement {
  readonly wrong: boolean;
  /** How it shows, and under which policy. */
  readonly how: 'differs' | 'hangs' | 'fails' | 'misstates' | null;
  readonly policy: string | null;
}

export class Truth {
  private readonly given: GlobalValues;
  private readonly expected: { readonly blocks: Execution['values']; readonly results: GlobalValues };
  private readonly kernels = referenceKernels(ops);
  private readonly workspaces: Workspaces;

  constructor({ name, program, inputs }: Scenario, table: KernelChooser) {
    this.workspaces = workspacesOf(table);
    this.given = inputs;
    if (wrongLetters(program, ops)) throw new Error(`the letters of '${name}' are not those of its ops`);
    const execution = this.runner(program, hostBlocks(program, inputs))(null, 0xff, viewWatch(this.kernels));
    const { deadlock, fault } = execution;
    if (fault) throw new Error(`the program of '${name}' does not run: ${fault.instruction} ${fault.reason}`);
    if (deadlock) throw new Error(`the program of '${name}' hangs`);
    const broken = brokenContract(execution);
    if (broken) throw new Error(`after a step of '${name}' ${broken}`);
    this.expected = { blocks: heldBlocks(program, execution), results: hostResults(program, execution) };
  }

  judge(program: Program, aims: readonly Aim[]): Judgement {
    const wrong = (how: Judgement['how'], policy: Policy | null = null): Judgement => ({
      wrong: true,
      how,
      policy: policy?.name ?? 'in order',
    });
    let policies: readonly (Policy | null)[];
    let run: Run;
    try {
      if (wrongLetters(program, ops)) return wrong('misstates');
      policies = [null, ...policiesFor(program, aims)];
      run = this.runner(program, hostBlocks(program, this.given));
    } catch {
      return wrong('fails');
    }
    for (const [i, policy] of policies.entries()) {
      const how = this.try(program, run, policy, i % 3 === 2 ? 0 : 0xff);
      if (how) return wrong(how, policy);
    }
    return { wrong: false, how: null, policy: null };
  }

  private try(program: Program, run: Run, policy: Policy | null, poison: number): Judgement['how'] {
    try {
      // What is said of a view does not depend on who was held.
      const execution = run(policy, poison, policy ? undefined : viewWatch(this.kernels));
      if (execution.fault) return 'fails';
      if (execution.deadlock) return 'hangs';
      if (!policy && brokenContract(execution)) return 'misstates';
      return this.agrees(program, execution, policy) ? null : 'differs';
    } catch {
      return 'fails';
    }
  }

  private runner(program: Program, inputs: Execution['values']): Run {
    const { kernels, workspaces } = this;
    const loaded = loadClasses(program);
    return (policy, poison, observe) =>
      execute(program, { kernels, workspaces, inputs, poison, observe, loaded, ...(policy ? { policy } : {}) });
  }

  /** Each rank holds what it should; and, once, whoever puts values together by name gets what they should. */
  private agrees(program: Program, execution: Execution, policy: Policy | null): boolean {
    const { blocks, results } = this.expected;
    if (!blocks.every((rank, i) => [...rank].every(([name, block]) => near(block, execution.values[i]?.get(name)))))
      return false;
    if (policy) return true;
    const found = hostResults(program, execution);
    return Object.entries(results).every(([name, whole]) => near(whole as Float64Array, found[name]));
  }
}

/** A program on fresh arenas. */
type Run = (policy: Policy | null, poison: number, observe?: Observer) => Execution;

const near = (expected: Float64Array, found: GlobalValues[string] | undefined): boolean =>
  found instanceof Float64Array &&
  found.length === expected.length &&
  expected.every((x, i) => Math.abs(x - found[i]) <= 1e-9 * Math.max(1, Math.abs(x)));

/** What the table says, asked once for each instruction of a table of values. */
function workspacesOf(table: KernelChooser): Workspaces {
  type Worker = KernelInstruction | CollectiveInstruction;
  const known = new WeakMap<RankClass['values'], Map<Worker, number>>();
  const bytesOfKernel = (instruction: KernelInstruction, values: RankClass['values']): number => {
    const bytes = table.scratchBytes(instruction.kernel, kernelShape(instruction, values));
    if (bytes === null)
      throw new RangeError(`the table has no kernel '${instruction.kernel.id}' for ${instruction.op}`);
    return bytes;
  };
  const needed = (instruction: Worker, values: RankClass['values'], mesh: Mesh) =>
    instruction.kind === 'kernel'
      ? bytesOfKernel(instruction, values)
      : table.exchangeBytes(exchangeShape(instruction, values, mesh));
  return (instruction, values, mesh) => {
    const ofClass = known.get(values) ?? new Map<Worker, number>();
    known.set(values, ofClass);
    const bytes = ofClass.get(instruction) ?? needed(instruction, values, mesh);
    ofClass.set(instruction, bytes);
    return bytes;
  };
}
