/** What the partitioner chose: each op's assignment with its price, and the next cheapest. Equal layers are told once. */
import { counted, percentText } from '../ir/units.js';
import { defaultCosts } from '../partition/costs.js';
import { opNamed, type OpRegistry } from '../ir/op.js';
import { writtenAssignment } from '../partition/given_assignments.js';
import type { ExplainedChoice } from '../partition/partition.js';
import { sharedPattern } from '../plan/node_names.js';

/** One choice, or the equal ones of several layers. */
export interface ExplainedAssignment {
  /** `blocks.*.mlp.up/einsum.0` */
  readonly name: string;
  readonly count: number;
  /** `batch:data hidden:tensor`, by the letters of the op; `through y over tensor` where a partial sum passes. */
  readonly chosen: string;
  /** A step and layer, by the prices that the choice was made by. */
  readonly seconds: number;
  /** Null: there was no other. */
  readonly runnerUp: { readonly chosen: string; readonly seconds: number } | null;
}

/** In the order in which they were chosen. */
export function explainChoices(
  choices: readonly ExplainedChoice[],
  registry: OpRegistry,
): readonly ExplainedAssignment[] {
  const found = new Map<string, ExplainedAssignment>();
  for (const { name, node, assignment, seconds, runnerUp } of choices) {
    const text = (of: typeof assignment) => {
      const { split = {}, through = {} } = writtenAssignment(node, opNamed(registry, node.op), of);
      const splits = Object.entries(split).map(([factor, over]) => `${factor}:${over}`);
      const carried = Object.entries(through).map(([axis, operands]) => `through ${operands} over ${axis}`);
      return [...splits, ...carried].join(' ') || 'whole';
    };
    const one = {
      name: sharedPattern(name) ?? name,
      count: 1,
      chosen: text(assignment),
      seconds,
      runnerUp: runnerUp && { chosen: text(runnerUp.assignment), seconds: runnerUp.seconds },
    };
    const key = JSON.stringify(one);
    found.set(key, { ...one, count: (found.get(key)?.count ?? 0) + 1 });
  }
  return [...found.values()];
}

/**
 * Lines of the page of `explain`. Prices are round figures that nobody has measured: they are told as shares of their sum, and as times of each
 * other.
 */
export function choiceLines(choices: readonly ExplainedAssignment[]): readonly string[] {
  const ofAll = choices.reduce((sum, { count }) => sum + count, 0);
  const total = choices.reduce((sum, { count, seconds }) => sum + count * seconds, 0);
  return [
    `choices   ${counted(ofAll, 'op')}, each with its share of all prices, by round figures: none is measured`,
    ...choices.flatMap(({ name, count, chosen, seconds, runnerUp }) => [
      `  ${name}${count > 1 ? ` × ${count}` : ''}: ${chosen}, ${percentText(total > 0 ? (count * seconds) / total : 0)}`,
      ...(runnerUp ? [`    rather than ${runnerUp.chosen}, ${timesText(runnerUp.seconds, seconds)}`] : []),
    ]),
  ];
}

function timesText(price: number, chosen: number): string {
  // A forfeit, and no price: `partition/sharing.ts`.
  if (price >= defaultCosts().repeatSeconds) return 'where ranks would do work twice that the plan has them share';
  if (price === chosen) return 'at the same price';
  return chosen > 0 ? `at ${(price / chosen).toFixed(2)} times the price` : 'at a price';
}
