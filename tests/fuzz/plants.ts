/** Does the search bite? Faults planted one at a time, each found and made small. */
import { parseArgs } from 'node:util';
import { DiagnosticError } from '../../src/ir/diagnostic.js';
import { expectProved } from '../../src/partition/prove.js';
import { ranksOf } from '../../src/plan/plan.js';
import { verifyProgram } from '../../src/verify/index.js';
import { everyAxis } from '../arbitraries/every_axis.js';
import { trainingScenario } from '../arbitraries/training.js';
import { describeModel, parseCase } from '../laws/case_text.js';
import { planLine, type Case, type Law } from '../laws/laws.js';
import { exact, failure, numbersFault } from '../laws/parallel_equals_serial.js';
import { search, story, type Found } from '../laws/search.js';
import { planOf } from '../scenarios/scenario.js';
import { buildPlanted } from './plants/build.js';
import { plants } from './plants/index.js';
import type { Plant } from './plants/plant.js';

const usage =
  'usage: npm run fuzz -- plant NAME... | all [--seed SEED] [--minutes N] [--case CASE]\n' +
  `faults: ${Object.keys(plants).join(', ')}`;

/** What the search must come down to. */
const most = { layers: 2, ranks: 4 };

/** That a program with a fault in it leaves what one device leaves: numbers alone are asked. */
export const plantedLaw = (plant: Plant): Pick<Law, 'cases' | 'examples' | 'fault'> => ({
  cases: everyAxis,
  examples: [],
  fault: (draw, hints) => {
    try {
      const scenario = buildPlanted(trainingScenario(draw, hints), plant);
      return scenario.hasFault ? numbersFault(scenario, exact, scenario.meaning) : null;
    } catch (error) {
      return failure(error);
    }
  },
});

/** What the proofs say of a case with the fault in it: the code of their refusal; null where they accept it. */
export function refusalOf(plant: Plant, [draw, hints]: Case): string | null {
  try {
    const { sources, placed, plan, program, registry } = buildPlanted(trainingScenario(draw, hints), plant);
    expectProved(sources, placed, { plan, registry });
    const [refused] = verifyProgram(program, placed, registry);
    return refused?.code ?? null;
  } catch (error) {
    return error instanceof DiagnosticError ? error.code : (error as Error).message.split('\n')[0];
  }
}

/** Searches for each fault, and prints a table; true where each is found in time and made small. */
export async function fuzzPlants(args: readonly string[]): Promise<boolean> {
  const options = {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '5' },
    case: { type: 'string' },
  } as const;
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  const names = positionals.includes('all') ? Object.keys(plants) : positionals;
  if (names.length === 0 || names.some((name) => !Object.hasOwn(plants, name))) {
    console.error(usage);
    return false;
  }
  let all = true;
  for (const name of names) {
    const law = plantedLaw(plants[name]);
    const first = values.case === undefined ? [] : [parseCase(values.case)];
    const runs = values.case === undefined ? 100_000 : 0;
    const began = performance.now();
    const found = search(
      { ...law, examples: first },
      { seed: Number(values.seed), runs, limitMs: 60_000 * Number(values.minutes) },
    );
    const seconds = (performance.now() - began) / 1000;
    console.log(rowOf(name, found, seconds));
    if (found && names.length === 1) console.log(story(name, found, `npm run fuzz -- plant ${name}`));
    all &&= found !== null && isSmall(found);
  }
  return all;
}

export function isSmall({ case: [draw, hints] }: Found): boolean {
  return draw.layers <= most.layers && ranksOf(planOf(trainingScenario(draw, hints))) <= most.ranks;
}

/** A fault in two lines: what, and how it was found. */
function rowOf(name: string, found: Found | null, seconds: number): string {
  const { what, reference } = plants[name];
  const head = `${name}: ${what}${reference ? `\n  as in      ${reference}` : ''}`;
  if (!found) return `${head}\n  NOT FOUND  in ${seconds.toFixed(0)} s`;
  const refusal = refusalOf(plants[name], found.case);
  return [
    head,
    `  found      in case ${found.cases}, after ${found.seconds.toFixed(1)} s; shrunk by ${seconds.toFixed(1)} s${isSmall(found) ? '' : ', STILL TOO LARGE'}`,
    `  model      ${describeModel(found.case)}`,
    `  plan       ${planLine(found.case)}`,
    `  the proofs ${refusal ? `refuse it: ${refusal}` : 'accept it: what they rest on is wrong'}`,
  ].join('\n');
}
