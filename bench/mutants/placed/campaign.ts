/**
 * Mutants of placed graphs: each is run on its ranks, step by step, against one device, and judged by the checkers that ask of every placed
 * graph whether it is sound, what it was made of, and whether what it reads is still there. What a program computes is proved equal to its placed graphs, so that what
 * both have wrong is told here or nowhere.
 */
import { kernelsOf } from '../../../src/kernels/target.js';
import { ops } from '../../../src/ops/index.js';
import { placeGraphs, type PlacedGraphs } from '../../../src/partition/place_graphs.js';
import { expectProved, type SourceGraphs } from '../../../src/partition/prove.js';
import { tableOf } from '../../../src/plan/plan_schedule.js';
import { splitChunks } from '../../../src/schedule/slot.js';
import { placedResults, type PlacedScenario } from '../../../tests/scenarios/placed_scenario.js';
import {
  inputValues,
  parametersOf,
  planOf,
  type ScenarioOptions,
  type Values,
} from '../../../tests/scenarios/scenario.js';
import { reportFor, type CampaignOptions, type CampaignReport, type KindReport } from '../campaign.js';
import { optionsOf } from '../programs.js';
import { seededRandom } from '../random.js';
import type { PlacedMutation } from './edit.js';
import { placedFaults } from './faults.js';
import { recordFaults, type RecordMutation } from './records.js';

interface PlacedBase {
  readonly name: string;
  readonly scenario: PlacedScenario;
  /** What its graphs were placed for: step, then update. */
  readonly graphs: SourceGraphs;
  readonly expected: Values;
}

export function runPlacedCampaign(options: CampaignOptions): CampaignReport {
  const { count, seed = 1, programs, only } = options;
  const began = performance.now();
  const bases = optionsOf(programs).map(({ name, options: given }) => buildBase(name, given()));
  const random = seededRandom(seed);
  const kinds = new Map<string, KindReport>();
  const notes: string[] = [];
  const mutations = {
    ...Object.fromEntries(Object.entries(placedFaults).map(([kind, one]) => [kind, inGraph(one)])),
    ...recordFaults,
  };
  const chosen = Object.entries(mutations).filter(([kind]) => !only || only.includes(kind));
  for (let tries = 0, made = 0; made < count && tries < 20 * count && chosen.length > 0; tries++) {
    const [kind, mutate] = chosen[tries % chosen.length];
    const base = random.pick(bases);
    const changed = mutate(base.scenario.placed, random);
    if (!changed) continue;
    made++;
    const report = reportFor(kinds, `placed: ${kind}`, false, 'placed graph');
    report.mutants++;
    const told = faultOf(base, changed);
    const wrong = isWrong(base, changed);
    if (wrong) {
      report.wrong++;
      report.programs.add(base.name);
      if (told) report.wrongRejected++;
      else {
        report.falseAccepts++;
        notes.push(`FALSE ACCEPT: placed: ${kind} of '${base.name}'`);
      }
    } else if (told) report.harmlessRejected++;
    else report.harmlessAccepted++;
  }
  return {
    seed,
    kinds: [...kinds.values()],
    harmlessRejectedBy: {},
    notes,
    seconds: (performance.now() - began) / 1000,
  };
}

/** Places the graphs of a recipe. Throws where their results are not those of the placed graphs on one device. */
function buildBase(name: string, options: ScenarioOptions): PlacedBase {
  const plan = planOf({ name, ...options });
  let graphs: SourceGraphs | null = null;
  const placed = placeGraphs(
    {
      plan,
      registry: ops,
      target: options.target ?? 'reference',
      kernels: kernelsOf(options.target ?? 'reference', ops),
      split: splitChunks(tableOf(plan)),
    },
    parametersOf(options.step),
    options.step,
    options.update,
    (sources, made, request) => {
      expectProved(sources, made, request);
      graphs = sources;
    },
  );
  const scenario: PlacedScenario = { plan, placed, inputs: inputValues(options, options.microbatches ?? 1) };
  return { name, scenario, graphs: graphs!, expected: placedResults(scenario) };
}

/** Of the step, or of the update. */
const inGraph =
  (mutate: PlacedMutation): RecordMutation =>
  (placed, random) => {
    const updates = placed.update !== null && random.chance(0.4);
    const changed = mutate(updates ? placed.update! : placed.step, random);
    return changed && (updates ? { ...placed, update: changed } : { ...placed, step: changed });
  };

function faultOf({ graphs, scenario: { plan } }: PlacedBase, { step, update, buckets }: PlacedGraphs): boolean {
  try {
    expectProved(graphs, { step, update, buckets }, { plan, registry: ops });
    return false;
  } catch {
    return true;
  }
}

function isWrong({ scenario, expected }: PlacedBase, placed: PlacedGraphs): boolean {
  let found: Values;
  try {
    found = placedResults({ ...scenario, placed });
  } catch {
    return true;
  }
  return Object.entries(expected).some(
    ([name, values]) =>
      found[name]?.length !== values.length ||
      !values.every((x, i) => Math.abs(x - found[name][i]) <= 1e-9 * Math.max(1, Math.abs(x))),
  );
}
