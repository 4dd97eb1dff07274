/** What happens to wrong programs: the executor is the oracle that says that they are wrong. */
import { describe, expect, test } from 'vitest';
import { pipelineOf } from '../../plan/plan.js';
import { languageModel } from '../../../tests/scenarios/language_model.js';
import { mlp } from '../../../tests/scenarios/mlp.js';
import { buildScenario, differences, type Scenario } from '../../../tests/scenarios/scenario.js';
import { printTag } from '../../program/kinds.js';
import type { Instruction, Lane, Program, RankClass, TransferInstruction } from '../../program/program.js';
import { instructionsOf } from '../../program/unroll.js';
import { GPT } from '../../nn/models/index.js';
import { execute } from './execute.js';
import { hold, inOrder, random, rush } from './policy.js';
import { gatherValues, scatterValues } from './shards.js';
import { ops } from '../../ops/index.js';

const scenario = buildScenario({
  ...mlp({ batch: 4, dim: 3, hidden: 4, update: 'sgd' }),
  mesh: { data: 2 },
  split: { batch: ['data'] },
});

test('without its wait, a reader takes what was there before: seen where the lane that it does not wait for is held', () => {
  const waits = bodyOf(scenario).filter(
    (one) => one.kind === 'wait' && one.lane === 'compute' && one.event.startsWith('done'),
  );
  expect(waits.length).toBeGreaterThan(1);
  // The last one has no reader: it ends the step.
  for (const wait of waits.slice(0, -1)) {
    const mutant = withBody(scenario.program, (one) => (one === wait ? [] : [one]));
    expect(isRight(mutant, inOrder())).toBe(true);
    expect(isRight(mutant, hold({ lane: 'group:data' }))).toBe(false);
  }
});

test('without its wait, a collective takes what is not there yet: seen where its lane runs ahead', () => {
  const waits = bodyOf(scenario).filter((one) => one.kind === 'wait' && one.lane === 'group:data');
  const seen = waits.filter((wait) => {
    const mutant = withBody(scenario.program, (one) => (one === wait ? [] : [one]));
    return !isRight(mutant, rush({ lane: 'group:data' }));
  });
  // Of the lane's waits the later stand for the earlier: the first must be seen.
  expect(seen).toContain(waits[0]);
});

test('two ranks that disagree about the order of collectives: a fault, or a wrong value', () => {
  const collectives = bodyOf(scenario).filter((one) => one.kind === 'collective');
  expect(collectives.length).toBeGreaterThan(1);
  const [a, b] = collectives;
  const mutant = onRank(scenario.program, 1, (one) => (one === a ? [b] : one === b ? [a] : [one]));
  expect(isRight(mutant, inOrder())).toBe(false);
});

test('a collective that one rank leaves out is a deadlock, which names who waits for whom', () => {
  const last = bodyOf(scenario).findLast((one) => one.kind === 'collective')!;
  const mutant = onRank(scenario.program, 1, (one) => (one === last ? [] : [one]));
  const { deadlock, fault } = run(mutant, inOrder());
  expect(fault).toBeNull();
  const lane = deadlock!.find(({ launch }) => launch.instruction.kind === 'collective')!;
  expect(lane.rank).toBe(0);
  expect(lane.waitsFor).toContain('rank 1 (at the end of its lane)');
});

test('an address beyond the arena is a fault, which names the instruction', () => {
  const [rankClass] = scenario.program.classes;
  const mutant = { ...scenario.program, classes: [{ ...rankClass, arenaBytes: 64 }] };
  expect(() => scatterValues(mutant, scenario.inputs)).not.toThrow();
  const { fault } = run(mutant, inOrder());
  expect(fault?.instruction).toMatch(/^rank 0: the host writes '/);
  const unwritten = execute(mutant, { registry: ops, inputs: [new Map(), new Map()] });
  expect(unwritten.fault?.instruction).toMatch(/^rank \d: \w+, forward/);
});

describe('sends between two groups', () => {
  const { step, element } = languageModel(new GPT({ layers: 2, dim: 4, heads: 1, context: 4, vocab: 5 }), {
    batch: 1,
    sequence: 2,
  });
  const pipeline = buildScenario({
    step,
    update: null,
    element,
    pipeline: pipelineOf([
      { segments: ['embedding', 'blocks.0'], mesh: {} },
      { segments: ['blocks.1', 'head'], mesh: {} },
    ]),
    schedule: '1f1b',
    microbatches: 3,
  });

  test('one lane for sends and receives: what is asked for ahead of its slot holds up what is sent', () => {
    const oneLane = withBody(pipeline.program, (one) => [
      one.lane.startsWith('receive:') ? { ...one, lane: one.lane.replace('receive', 'send') as Lane } : one,
    ]);
    const inputs = scatterValues(oneLane, pipeline.inputs);
    const rendezvous = execute(oneLane, { registry: ops, inputs, policy: inOrder() });
    expect(rendezvous.deadlock!.map(({ waitsFor }) => waitsFor)).toEqual(
      expect.arrayContaining(['a send by rank 1', 'a send by rank 0']),
    );
  });

  test('a message that is not the one expected is a fault', () => {
    const [front, back] = pipeline.program.classes;
    const sent = front.templates
      .flatMap(instructionsOf)
      .find((one): one is TransferInstruction => one.kind === 'send')!;
    const mutant = {
      ...pipeline.program,
      classes: [edited(front, (one) => [one === sent ? { ...sent, tag: { ...sent.tag, value: 999 } } : one]), back],
    };
    const { fault } = execute(mutant, { registry: ops, inputs: scatterValues(mutant, pipeline.inputs) });
    expect(fault?.reason).toBe(`it receives ${printTag(sent.tag)} and is sent %999 of the step`);
  });
});

test('a seed gives its order again', () => {
  const order = (seed: number) => {
    const launches: string[] = [];
    scenario.parallel({ policy: random(seed), observe: ({ rank }, { index }) => launches.push(`${rank}:${index}`) });
    return launches.join(' ');
  };
  expect(order(1)).toBe(order(1));
  expect(order(1)).not.toBe(order(2));
});

test('a step runs every instruction of every rank once', () => {
  const seen = new Set<string>();
  const { ranks } = scenario.parallel({ observe: ({ rank }, { index }) => seen.add(`${rank}:${index}`) });
  expect(seen.size).toBe(ranks.reduce((sum, { loaded }) => sum + loaded.launches.length, 0));
});

const bodyOf = ({ program }: Scenario): readonly Instruction[] => program.classes[0].templates.flatMap(instructionsOf);

function run(program: Program, policy: ReturnType<typeof inOrder>) {
  return execute(program, { registry: ops, inputs: scatterValues(program, scenario.inputs), policy });
}

function isRight(program: Program, policy: ReturnType<typeof inOrder>): boolean {
  const execution = run(program, policy);
  if (execution.deadlock || execution.fault) return false;
  try {
    return differences(scenario.serial(), gatherValues(program, execution.values), 1e-12).length === 0;
  } catch {
    // Replicas that differ.
    return false;
  }
}

/** A program whose instructions are replaced, on every rank. */
function withBody(program: Program, replace: (one: Instruction) => readonly Instruction[]): Program {
  return { ...program, classes: program.classes.map((rankClass) => edited(rankClass, replace)) };
}

/** A program in which one rank has a class of its own. */
function onRank(program: Program, member: number, replace: (one: Instruction) => readonly Instruction[]): Program {
  const [rankClass] = program.classes;
  const others = rankClass.members.filter((_, i) => i !== member);
  const mutant = edited({ ...rankClass, members: [rankClass.members[member]] }, replace);
  return { ...program, classes: [{ ...rankClass, members: others }, mutant] };
}

const edited = (rankClass: RankClass, replace: (one: Instruction) => readonly Instruction[]): RankClass => ({
  ...rankClass,
  templates: rankClass.templates.map((template) => ({ ...template, body: instructionsOf(template).flatMap(replace) })),
});
