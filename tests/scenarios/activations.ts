/** Activations of a program's first class, in bytes: what the forward, or what makes it again, writes and the backward reads. */
import { bytesOf } from '../../src/ir/type.js';
import { baseOf } from '../../src/program/place.js';
import { operandsOf } from '../../src/program/kinds.js';
import { instanceKey, unroll } from '../../src/program/unroll.js';
import type { Scenario } from './scenario.js';

interface Activation {
  readonly bytes: number;
  readonly segment: string;
  readonly from: number;
  to: number;
  readonly isForward: boolean;
  readByBackward: boolean;
}

/** Buffers of a microbatch that the forward, or what makes it again, writes and the backward reads. */
function activations({ program, placed }: Scenario): readonly Activation[] {
  const [rankClass] = program.classes;
  const { values } = rankClass;
  const backward = new Set(
    placed.step.steps.flatMap(({ source, outputs }) =>
      source.phase === 'forward' ? [] : outputs.map((id) => placed.step.values[id].name),
    ),
  );
  const found = new Map<string, Activation>();
  for (const { instruction, step, index } of unroll(rankClass)) {
    const { phase, segment } = instruction.source;
    for (const { value, access } of operandsOf(instruction)) {
      const base = baseOf(values, value);
      const { lifetime, name, type } = values[base];
      if (lifetime !== 'microbatch' || name.endsWith(' workspace')) continue;
      if (backward.has(name) && !name.endsWith(' again')) continue;
      const key = instanceKey(values, base, step.microbatch);
      const one: Activation = found.get(key) ?? {
        bytes: bytesOf(type),
        segment,
        from: index,
        to: index,
        isForward: phase === 'forward',
        readByBackward: false,
      };
      one.to = index;
      if (access === 'read' && phase === 'backward') one.readByBackward = true;
      found.set(key, one);
    }
  }
  return [...found.values()].filter(({ readByBackward }) => readByBackward);
}

const sum = (list: readonly Activation[]) => list.reduce((n, { bytes }) => n + bytes, 0);

/** What is kept from a forward to its backward, over all microbatches. */
export const heldOver = (scenario: Scenario) => sum(activations(scenario).filter(({ isForward }) => isForward));

/** Of one microbatch, by the segment that makes them. */
export function residualsBySegment(scenario: Scenario): ReadonlyMap<string, number> {
  const list = activations(scenario);
  const count = scenario.program.microbatches;
  return new Map(
    [...new Set(list.map(({ segment }) => segment))].map((segment) => [
      segment,
      sum(list.filter((one) => one.segment === segment)) / count,
    ]),
  );
}

/** The most that is there at once, in launch order. */
export function mostActivations(scenario: Scenario): number {
  const list = activations(scenario);
  return Math.max(...list.map(({ from: at }) => sum(list.filter(({ from, to }) => from <= at && at <= to))));
}
