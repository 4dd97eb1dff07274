/** What partitioner, lowering and engine could get wrong: sums that are left out or taken twice, blocks that go to the wrong rank. */
import { instructionsOf } from '../../../src/program/unroll.js';
import type { Instruction, KernelInstruction, Operand } from '../../../src/program/program.js';
import type { LoweredMove } from '../../../src/reshard/lower.js';
import { replaceStep, reread } from '../../../bench/mutants/placed/edit.js';
import { axesOn } from '../../../src/plan/splits.js';
import { splitsEvenly } from '../../../src/ir/layout.js';
import type { PlacedGraph, PlacedMove, PlacedStep } from '../../../src/partition/placed.js';
import { atEach, isMove, isOp, isPack, ranksAlong, reducedOver, scaled, sumsOver, unsummed } from './edits.js';
import type { Plant, Plants } from './plant.js';

/** Ranks take each other's runs, where all are equally long. */
const exchanged = (lowered: LoweredMove, kind: string): LoweredMove => {
  const { collective } = lowered;
  if (collective?.kind !== kind) return lowered;
  const isEven = [collective.inputCounts, collective.outputCounts].every((counts) => new Set(counts).size === 1);
  return isEven ? { ...lowered, collective: { ...collective, group: collective.group.toReversed() } } : lowered;
};

const exchanging =
  (kind: string): NonNullable<Plant['move']> =>
  (lowered) =>
    exchanged(lowered, kind);

const accumulates = (instruction: Instruction): instruction is KernelInstruction =>
  instruction.kind === 'kernel' && instruction.outputs.some(({ access }) => access === 'accumulate');

/** Accumulating operands write. */
const overwriting = (instruction: KernelInstruction): KernelInstruction => ({
  ...instruction,
  outputs: instruction.outputs.map((operand): Operand =>
    operand.access === 'accumulate' ? { ...operand, access: 'write' } : operand,
  ),
});

/** A step of a ring, whose blocks are all of one size. */
const turnsEvenly = (graph: PlacedGraph, step: PlacedStep): step is PlacedMove =>
  isMove(step) &&
  step.move.kind === 'permute' &&
  [step.move.from, step.move.to].some(({ splits }) => Object.values(splits).some(({ turn }) => turn !== undefined)) &&
  splitsEvenly(graph.meshes[step.group], graph.values[step.inputs[0]].type, step.move.from);

/** At each step of a ring. */
const atTurns =
  (change: (graph: PlacedGraph, at: number, step: PlacedMove) => PlacedGraph): NonNullable<Plant['graphs']> =>
  (placed) => ({
    ...placed,
    step: atEach(
      placed.step,
      (step) => turnsEvenly(placed.step, step),
      (graph, at, step) => change(graph, at, step as PlacedMove),
    ),
  });

export const loweringPlants: Plants = {
  shards_exchanged: {
    what: 'reduce-scatter gives each rank the shard of another',
    move: exchanging('reduce_scatter'),
  },
  blocks_gathered_backwards: {
    what: 'all-gather puts the blocks together in the wrong order',
    move: exchanging('all_gather'),
  },
  tokens_to_other_experts: {
    what: 'all-to-all sends each part to another rank',
    move: exchanging('all_to_all'),
  },
  microbatch_overwrites: {
    what: 'a kernel writes a microbatch’s gradient over those of the ones before',
    program: (program) => {
      const templates = program.classes.flatMap((one) => one.templates);
      if (!templates.flatMap(instructionsOf).some(accumulates)) return program;
      return {
        ...program,
        classes: program.classes.map((one) => ({
          ...one,
          templates: one.templates.map((template) => ({
            ...template,
            body: instructionsOf(template).map((one) => (accumulates(one) ? overwriting(one) : one)),
          })),
        })),
      };
    },
  },
  norm_gradients_unsummed: {
    what: 'gradients of norms are not summed over tensor ranks that share the sequence',
    graphs: (placed) => {
      const ofNorms = placed.buckets.filter(({ members }) => members.some(({ name }) => /norm/.test(name)));
      return {
        ...placed,
        update:
          placed.update &&
          atEach(
            placed.update,
            (step) => sumsOver(step, ['tensor']) && ofNorms.some(({ name }) => step.source.path === name),
            (changed, at, step) => unsummed(changed, at, step, ['tensor']),
          ),
      };
    },
  },
  tied_once: {
    what: 'a tied embedding has the gradient of one of its two uses',
    graphs: (placed) => ({
      ...placed,
      step: atEach(
        placed.step,
        (step) =>
          isOp(step) &&
          step.op === 'add' &&
          step.source.phase === 'backward' &&
          step.source.path === '' &&
          placed.step.meshes.some(({ axes }) => axes.some(({ size }) => size > 1)),
        (changed, at, step) => reread(replaceStep(changed, at), step.outputs[0], step.inputs[0]),
      ),
    }),
  },
  bucket_out_of_the_norm: {
    what: 'the norm leaves out a bucket',
    graphs: (placed) => {
      const { update } = placed;
      const sum = update?.steps.find((step) => isOp(step) && step.op === 'add' && step.source.path === '');
      if (!update || !sum || update.meshes.every(({ axes }) => axes.every(({ size }) => size === 1))) return placed;
      const at = update.steps.indexOf(sum);
      return { ...placed, update: reread(replaceStep(update, at), sum.outputs[0], sum.inputs[0]) };
    },
  },
  gradient_reduced_twice: {
    what: 'a gradient that is reduced with its microbatch is reduced again by the update',
    graphs: (placed, { zero }) => ({
      ...placed,
      step: atEach(
        placed.step,
        (step) => isPack(step) && zero.stage >= 2,
        (changed, _, step) => scaled(changed, step.outputs[0], ranksAlong(changed, step, zero.axes)),
      ),
    }),
  },
  expert_gradient_over_experts: {
    what: 'expert gradients are summed over the ranks that have other experts',
    graphs: (placed, { split }) => ({
      ...placed,
      step: atEach(
        placed.step,
        (step) => isPack(step) && step.members.some(({ name }) => name.includes('.experts.gate')),
        (changed, at, step) =>
          reducedOver(changed, step.outputs[0], axesOn(changed.meshes[step.group], split.experts ?? []), at),
      ),
    }),
  },
  ring_turned_backwards: {
    what: 'keys and values go round to the other neighbour',
    graphs: atTurns((graph, at, step) => {
      const { from, to } = step.move;
      return replaceStep(graph, at, { ...step, move: { ...step.move, from: to, to: from } });
    }),
  },
  ring_one_hop_less: {
    what: 'keys and values stay where they are for a step of the ring',
    graphs: atTurns((graph, at, step) => reread(replaceStep(graph, at), step.outputs[0], step.inputs[0])),
  },
  made_again_otherwise: {
    what: 'what the backward makes again it makes with another stream of randomness',
    graphs: (placed) => ({
      ...placed,
      step: atEach(
        placed.step,
        (step) => isOp(step) && step.op === 'dropout' && placed.step.values[step.outputs[0]].scope !== 'microbatch',
        (changed, at, step) =>
          isOp(step)
            ? replaceStep(changed, at, {
                ...step,
                attributes: { ...step.attributes, stream: Number(step.attributes.stream) + 1 },
              })
            : changed,
      ),
    }),
  },
};
