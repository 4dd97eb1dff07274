/** What context and expert parallelism could get wrong in a placed graph, which all statements agree with as far as they can. */
import { splitsEvenly } from '../../../src/ir/layout.js';
import type { PlacedMove, PlacedOp } from '../../../src/partition/placed.js';
import { combines } from '../faults/axes.js';
import { onStep, replaceStep, reread, skipMove, withCopy, type PlacedMutations } from './edit.js';

const turns = ({ move }: PlacedMove): boolean => move.kind === 'permute';

export const placedAxes: PlacedMutations = {
  /** Ranks that have other experts, or another part of a bucket or of the sequence, add theirs. */
  sum_unlike_blocks: onStep(
    'op',
    ({ assignment }) => Object.values(assignment.splits).some(({ axes }) => axes.length > 0),
    (graph, { at, step }, random) => {
      const [id] = step.outputs;
      const { type, layout } = graph.values[id];
      const split = Object.values(layout.splits).flatMap(({ axes }) => axes);
      if (split.length === 0 || !splitsEvenly(graph.meshes[step.group], type, layout)) return null;
      const axis = random.pick(split);
      const from = { ...layout, partial: { ...layout.partial, [axis]: 'sum' as const } };
      const { graph: wider, copy } = withCopy(graph, id);
      const sum: PlacedMove = {
        kind: 'move',
        move: { kind: 'all_reduce', from, to: layout, axes: [axis], factors: [], reduction: 'sum' },
        inputs: [id],
        outputs: [copy],
        source: step.source,
        group: step.group,
      };
      return replaceStep(reread(wider, id, copy, at), at, step, sum);
    },
  ),
  /** A ring is turned the other way. */
  swapped_neighbour: onStep('move', turns, (graph, { at, step }) => {
    const { move } = step;
    return replaceStep(graph, at, { ...step, move: { ...move, from: move.to, to: move.from } });
  }),
  /** What has come round so far is read in place of what comes next, and said to be that. */
  one_hop_too_few: onStep('move', turns, skipMove),
  combine_without_weights: onStep('op', combines, (graph, { at, step }) => {
    const { rule, inputs } = step;
    const returned = rule.operands.findIndex((names) => rule.operands.every((other) => names.length >= other.length));
    const alone: PlacedOp = {
      ...step,
      rule: { ...rule, operands: [rule.operands[returned]], linear: [[0]] },
      inputs: [inputs[returned]],
    };
    return replaceStep(graph, at, alone);
  }),
};
