/** The programs that are mutated, built and run once. */
import { ops } from '../../src/ops/index.js';
import type { KernelChooser } from '../../src/kernels/chooser.js';
import { kernelsOf } from '../../src/kernels/target.js';
import { buildScenario, type Scenario } from '../../tests/scenarios/scenario.js';
import { recipes, type Recipe } from './recipes.js';
import { Truth } from './truth/truth.js';

export interface Base {
  readonly scenario: Scenario;
  readonly truth: Truth;
  /** Those that it was compiled for. */
  readonly kernels: KernelChooser;
  /** How often it is drawn, compared with the others. */
  readonly weight: number;
}

/** Throws where a name is none of a program. */
export function buildBases(names?: readonly string[]): readonly Base[] {
  return optionsOf(names).map(({ name, weight, options }) => {
    const given = options();
    const scenario = buildScenario({ name, ...given, memory: { moves: 10, searchNodes: 0 } });
    const kernels = kernelsOf(given.target ?? 'reference', ops);
    return { scenario, truth: new Truth(scenario, kernels), kernels, weight };
  });
}

/** What programs of these names are built of; all, where none are given. Throws where a name is none of a program. */
export function optionsOf(names?: readonly string[]): readonly Recipe[] {
  const unknown = names?.find((name) => recipes.every((recipe) => recipe.name !== name));
  if (unknown !== undefined) throw new Error(`no program is called '${unknown}'`);
  return recipes.filter(({ name }) => !names || names.includes(name));
}
