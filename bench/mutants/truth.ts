/**
 * What is true of a mutant: it is run under schedules that hold and rush lanes, starve ranks and aim at the place that was changed. It
 * is wrong where any of them gives other numbers, hangs or fails.
 */
import {
  adversaries,
  execute,
  hold,
  rush,
  scatterValues,
  type Execution,
  type Policy,
  type Workspaces,
} from '../../src/engine/reference/index.js';
import { referenceKernels } from '../../src/ops/evaluate.js';
import { ops } from '../../src/ops/index.js';
import { kernelShape, type KernelChooser } from '../../src/program/kernel_choice.js';
import type { KernelInstruction, Program, RankClass } from '../../src/program/program.js';
import { instructionsOf } from '../../src/program/unroll.js';
import type { Scenario } from '../../tests/scenarios/scenario.js';

/** A place in the launch order of all ranks of a class that was changed. */
export interface Aim {
  readonly c: number;
  readonly t: number;
  readonly i: number;
}

export interface Judgement {
  readonly wrong: boolean;
  /** How it shows, and under which policy. */
  readonly how: 'differs' | 'hangs' | 'fails' | null;
  readonly policy: string | null;
}

export class Truth {
  private readonly inputs: ReturnType<typeof scatterValues>;
  private readonly expected: Execution['values'];
  private readonly kernels = referenceKernels(ops);
  private readonly workspaces: Workspaces;

  constructor(scenario: Scenario, table: KernelChooser) {
    this.workspaces = workspacesOf(table);
    this.inputs = scatterValues(scenario.program, scenario.inputs);
    const { values, deadlock, fault } = this.run(scenario.program, null, 0xff);
    if (deadlock ?? fault) throw new Error(`the program of '${scenario.name}' does not run`);
    this.expected = values;
  }

  judge(program: Program, aims: readonly Aim[]): Judgement {
    let policies: readonly (Policy | null)[];
    try {
      policies = [null, ...policiesFor(program, aims)];
    } catch {
      return { wrong: true, how: 'fails', policy: null };
    }
    for (const [i, policy] of policies.entries()) {
      const how = this.try(program, policy, i % 3 === 2 ? 0 : 0xff);
      if (how) return { wrong: true, how, policy: policy?.name ?? 'in order' };
    }
    return { wrong: false, how: null, policy: null };
  }

  private try(program: Program, policy: Policy | null, poison: number): Judgement['how'] {
    try {
      const { values, deadlock, fault } = this.run(program, policy, poison);
      if (fault) return 'fails';
      if (deadlock) return 'hangs';
      return this.agrees(values) ? null : 'differs';
    } catch {
      return 'fails';
    }
  }

  private run(program: Program, policy: Policy | null, poison: number): Execution {
    const { kernels, workspaces, inputs } = this;
    return execute(program, { kernels, workspaces, inputs, poison, ...(policy ? { policy } : {}) });
  }

  private agrees(values: Execution['values']): boolean {
    return this.expected.every((blocks, rank) =>
      [...blocks].every(([name, block]) => {
        const given = values[rank]?.get(name);
        return (
          given?.length === block.length &&
          block.every((x, i) => Math.abs(x - given[i]) <= 1e-9 * Math.max(1, Math.abs(x)))
        );
      }),
    );
  }
}

/** What the table says, asked once for each instruction of a table of values. */
function workspacesOf(table: KernelChooser): Workspaces {
  const known = new WeakMap<RankClass['values'], Map<KernelInstruction, number>>();
  return (instruction, values) => {
    const ofClass = known.get(values) ?? new Map<KernelInstruction, number>();
    known.set(values, ofClass);
    const bytes = ofClass.get(instruction) ?? table.scratchBytes(kernelShape(instruction, values));
    ofClass.set(instruction, bytes);
    return bytes;
  };
}

function policiesFor(program: Program, aims: readonly Aim[]): readonly Policy[] {
  const ranks = program.stages.flatMap(({ mesh, firstRank }) =>
    Array.from({ length: mesh.axes.reduce((n, a) => n * a.size, 1) }, (_, i) => firstRank + i),
  );
  const lanes = [
    ...new Set(program.classes.flatMap((c) => c.templates.flatMap((t) => instructionsOf(t).map((x) => x.lane)))),
  ];
  const all = adversaries(ranks, lanes, 3);
  // Lanes of single ranks are left to the aimed ones: there are many, and they rarely tell more.
  // To rush one rank is to hold the others.
  const standard = all.filter(({ name }) => !/rank \d+ \S|^rush rank/.test(name));
  const sends = lanes.includes('send') ? (['rendezvous', 'eager'] as const) : (['rendezvous'] as const);
  const aimed = launchesOf(program, aims).flatMap((index) =>
    sends.flatMap((kind) => [hold({ index }, { sends: kind }), rush({ index }, { sends: kind })]),
  );
  return [...standard, ...aimed];
}

/** A few launches at and around what was changed, of the first and the last step that runs it. */
function launchesOf(program: Program, aims: readonly Aim[]): readonly number[] {
  const found = new Set<number>();
  for (const { c, t, i } of aims) {
    const { templates, schedule } = program.classes[c] ?? { templates: [], schedule: [] };
    const starts: number[] = [];
    let launch = 0;
    for (const step of schedule) {
      if (step.template === templates[t]?.name) starts.push(launch);
      const template = templates.find(({ name }) => name === step.template);
      launch += template ? instructionsOf(template).length : 0;
    }
    for (const start of new Set([starts[0], starts[starts.length - 1]])) {
      if (start !== undefined) for (const near of [i, i - 1, i + 1]) found.add(start + near);
    }
  }
  return [...found].filter((launch) => launch >= 0).slice(0, 6);
}
