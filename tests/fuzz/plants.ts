/** Does the search bite? Faults planted one at a time, each found and made small. */
import { parseArgs } from 'node:util';
import { DiagnosticError } from '../../src/ir/diagnostic.js';
import { expectProved } from '../../src/partition/prove.js';
import { ranksOf } from '../../src/plan/plan.js';
import { verifyProgram } from '../../src/verify/index.js';
import { everyAxis } from '../arbitraries/every_axis.js';
import { trainingScenario } from '../arbitraries/training.js';
import { caseText, describeModel, parseCase } from '../laws/case_text.js';
import { planLine, type Case, type Law } from '../laws/laws.js';
import { exact, failure, numbersFault } from '../laws/parallel_equals_serial.js';
import { search, story, type Found } from '../laws/search.js';
import { planOf } from '../scenarios/scenario.js';
import { buildPlanted } from './plants/build.js';
import { plants } from './plants/index.js';
import { stored, type StoredCase } from './plants/stored.js';
import type { Plant } from './plants/plant.js';

const usage =
  'usage: npm run fuzz -- plant NAME... | all [--seed SEED] [--minutes N] [--case CASE] [--stored]\n' +
  `faults: ${Object.keys(plants).join(', ')}`;

/** What the search must come down to. */
const most = { layers: 2, ranks: 4 };

/** That a program with a fault in it leaves what one device leaves: numbers alone are asked. `changed` is told of each case whether the fault has a place there. */
export const plantedLaw = (
  plant: Plant,
  changed: (isChanged: boolean) => void = () => {},
): Pick<Law, 'cases' | 'examples' | 'fault'> => ({
  cases: everyAxis,
  examples: [],
  fault: (draw, hints) => {
    try {
      const scenario = buildPlanted(trainingScenario(draw, hints), plant);
      const fault = scenario.mayShow ? numbersFault(scenario, exact, scenario.meaning) : null;
      changed(scenario.hasFault());
      return scenario.hasFault() ? fault : null;
    } catch (error) {
      return failure(error);
    }
  },
});

/** What a fault does in a case that is stored for it: 'found', or how it is not. */
export function inStoredCase(plant: Plant, known: StoredCase | undefined): string {
  if (!known) return 'no case is stored for it';
  let isChanged = false;
  const fault = plantedLaw(plant, (is) => (isChanged = is)).fault(...parseCase(known.text));
  if (fault) return fault.kind === known.kind ? 'found' : `found otherwise: ${fault.kind}, and not ${known.kind}`;
  return isChanged ? 'what it changes shows in no number' : 'it changes nothing any more';
}

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

/** Searches for each fault, or replays the case that is stored for it, and prints a table; true where each is found, in time and made small. */
export async function fuzzPlants(args: readonly string[]): Promise<boolean> {
  const options = {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '5' },
    case: { type: 'string' },
    stored: { type: 'boolean', default: false },
  } as const;
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  const names = positionals.includes('all') ? Object.keys(plants) : positionals;
  if (names.length === 0 || names.some((name) => !Object.hasOwn(plants, name))) {
    console.error(usage);
    return false;
  }
  if (values.stored) {
    const outcomes = names.map((name) => {
      const outcome = inStoredCase(plants[name], stored[name]);
      console.log(`${name}: ${outcome}`);
      return outcome;
    });
    return outcomes.every((outcome) => outcome === 'found');
  }
  let all = true;
  for (const name of names) {
    const places = { cases: 0, changed: 0 };
    const law = plantedLaw(plants[name], (isChanged) => {
      places.cases++;
      if (isChanged) places.changed++;
    });
    const first = values.case === undefined ? [] : [parseCase(values.case)];
    const runs = values.case === undefined ? 100_000 : 0;
    const began = performance.now();
    const found = search(
      { ...law, examples: first },
      { seed: Number(values.seed), runs, limitMs: 60_000 * Number(values.minutes) },
    );
    const seconds = (performance.now() - began) / 1000;
    console.log(rowOf(name, found, seconds, places));
    if (found && names.length === 1) console.log(story(name, found, `npm run fuzz -- plant ${name}`));
    all &&= found !== null && isSmall(found);
  }
  return all;
}

export function isSmall({ case: [draw, hints] }: Found): boolean {
  return draw.layers <= most.layers && ranksOf(planOf(trainingScenario(draw, hints))) <= most.ranks;
}

/** Cases that were tried and shrunk, and in how many of them the fault changed something. */
interface Places {
  readonly cases: number;
  readonly changed: number;
}

/** A fault in two lines: what, and how it was found. */
function rowOf(name: string, found: Found | null, seconds: number, { cases, changed }: Places): string {
  const { what, reference } = plants[name];
  const head = `${name}: ${what}${reference ? `\n  as in      ${reference}` : ''}`;
  if (!found) {
    const where =
      changed === 0 ? `it changes nothing in any of ${cases} cases` : `it changes ${changed} of ${cases} cases`;
    return `${head}\n  NOT FOUND  in ${seconds.toFixed(0)} s: ${where}`;
  }
  const refusal = refusalOf(plants[name], found.case);
  return [
    head,
    `  found      in case ${found.cases}, after ${found.seconds.toFixed(1)} s; shrunk by ${seconds.toFixed(1)} s${isSmall(found) ? '' : ', STILL TOO LARGE'}`,
    `  model      ${describeModel(found.case)}`,
    `  plan       ${planLine(found.case)}`,
    `  case       ${found.fault.kind}  '${caseText(found.case)}'`,
    `  the proofs ${refusal ? `refuse it: ${refusal}` : 'accept it: what they rest on is wrong'}`,
  ].join('\n');
}
