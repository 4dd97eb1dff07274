/** A scenario's steps one after the other, in arenas that keep what each leaves: state, and whatever else is in the way of the next. */
import { Arena } from '../../src/engine/reference/arena.js';
import { hostValues, instanceName, readableValues, virtualRanks } from '../../src/engine/reference/execute.js';
import { loadClasses, scatterValues } from '../../src/engine/reference/index.js';
import { Machine, type Observer } from '../../src/engine/reference/machine.js';
import { inOrder } from '../../src/engine/reference/policy.js';
import type { VirtualRank } from '../../src/engine/reference/virtual_rank.js';
import { referenceKernels } from '../../src/ops/evaluate.js';
import { ops } from '../../src/ops/index.js';
import type { ProgramValue } from '../../src/program/program.js';
import { buildScenario, inputValues, type Scenario, type ScenarioOptions, type Values } from './scenario.js';

export class Steps {
  readonly scenario: Scenario;
  readonly ranks: readonly VirtualRank[];
  readonly #options: ScenarioOptions;
  readonly #kernels = referenceKernels(ops);

  /** Memory is NaN where nothing has been written. */
  constructor(options: ScenarioOptions) {
    this.#options = options;
    this.scenario = buildScenario(options);
    const { program, inputs } = this.scenario;
    this.ranks = virtualRanks(program, loadClasses(program), ({ arenaBytes }) => new Arena(arenaBytes, 0xff));
    this.#write(inputs, () => true);
  }

  /** The step's own batch; the same scalars as in any other. */
  run(step: number, observe?: Observer): void {
    const { microbatches = 1, element } = this.#options;
    const shifted: ScenarioOptions = {
      ...this.#options,
      element: (input, index, microbatch) => element?.(input, index, microbatch + step * microbatches) ?? null,
    };
    this.#write(
      inputValues(shifted, microbatches),
      ({ is }) => is.kind === 'stored' && (is.role.kind === 'data' || is.role.kind === 'scalar'),
    );
    const { groups } = this.scenario.program;
    const { deadlock, fault } = new Machine(this.ranks, {
      groups,
      kernels: this.#kernels,
      policy: inOrder(),
      observe,
    }).run();
    if (fault ?? deadlock) throw new Error(JSON.stringify(fault ?? deadlock));
  }

  /** Blocks of parameters and of the optimizer's state, padding included, by rank and name. */
  state(): Values {
    return this.#blocks(({ is }) => is.kind === 'stored' && (is.role.kind === 'parameter' || is.role.kind === 'state'));
  }

  /** What the ranks' classes give under a name. */
  results(name: string): readonly number[] {
    return this.ranks.flatMap((rank) => {
      const index = rank.rankClass.results[name];
      return index === undefined ? [] : [...rank.arena.read(rank.instance(index, null)!)];
    });
  }

  #blocks(isMeant: (value: ProgramValue) => boolean): Values {
    return Object.fromEntries(
      this.ranks.flatMap((rank) =>
        [...readableValues(rank.rankClass)].flatMap(([name, index]) => {
          const view = isMeant(rank.rankClass.values[index]) ? rank.instance(index, null) : null;
          return view ? [[`rank ${rank.rank} ${name}`, rank.arena.read(view)] as const] : [];
        }),
      ),
    );
  }

  #write(inputs: Scenario['inputs'], isMeant: (value: ProgramValue) => boolean): void {
    const { program } = this.scenario;
    const blocks = scatterValues(program, inputs);
    for (const rank of this.ranks) {
      for (const { index, value, microbatch } of hostValues(rank.rankClass, program.microbatches)) {
        const block = isMeant(value) ? blocks[rank.rank].get(instanceName(value.name, microbatch)) : undefined;
        const view = block && rank.instance(index, microbatch);
        if (view) rank.arena.write(view, block);
      }
    }
  }
}
