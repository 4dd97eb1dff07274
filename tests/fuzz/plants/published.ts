/**
 * Faults of frameworks that people use, as they were published: each gave wrong gradients or a wrong norm in silence. They are put where this
 * compiler would have to make them.
 */
import { namesOf } from '../../../src/ir/type.js';
import { axesOn } from '../../../src/plan/splits.js';
import type { Plan } from '../../../src/plan/plan.js';
import type { PlacedGraphs } from '../../../src/partition/place_graphs.js';
import type { PlacedGraph, PlacedId, PlacedPack, PlacedStep } from '../../../src/partition/placed.js';
import { atEach, isOp, isPack, makerOf, ranksAlong, scaled, sumsOver, unsummed } from './edits.js';
import type { Plants } from './plant.js';

const tensor = ['tensor'];

/** A change to the step's graph, or to the update's. */
const inStep =
  (change: (graph: PlacedGraph, plan: Plan) => PlacedGraph) =>
  (placed: PlacedGraphs, plan: Plan): PlacedGraphs => ({ ...placed, step: change(placed.step, plan) });
const inUpdate =
  (change: (graph: PlacedGraph, plan: Plan) => PlacedGraph) =>
  (placed: PlacedGraphs, plan: Plan): PlacedGraphs => ({
    ...placed,
    update: placed.update && change(placed.update, plan),
  });

const isLoss = ({ source }: PlacedStep): boolean => source.path === 'loss' && source.phase === 'forward';
/** Of the loss's forward: what sums exponentials over words that ranks share. */
const sumsExponentials = (graph: PlacedGraph, step: PlacedStep): boolean => {
  if (!sumsOver(step, tensor) || !isLoss(step) || step.move.reduction === 'max') return false;
  const readers = graph.steps.filter(({ inputs }) => (inputs as readonly PlacedId[]).includes(step.outputs[0]));
  return readers.some((reader) => isOp(reader) && reader.op === 'log');
};

/** Gradients of parameters whose names fit, as they go into their buckets, times a factor. */
const gradientsTimes =
  (fits: RegExp, factor: (graph: PlacedGraph, pack: PlacedPack, plan: Plan) => number) =>
  (graph: PlacedGraph, plan: Plan): PlacedGraph =>
    atEach(graph, isPack, (changed, _, step) => {
      const pack = step as PlacedPack;
      const by = factor(changed, pack, plan);
      const ids = pack.inputs.filter((_, k) => fits.test(pack.members[k].name));
      return by === 1 ? changed : ids.reduce((one, id) => scaled(one, id, by), changed);
    });

/** Where the ranks of a group share experts. */
const expertRanks = (graph: PlacedGraph, step: PlacedStep, { split }: Plan): number =>
  ranksAlong(graph, step, axesOn(graph.meshes[step.group], split.experts ?? []));

/** A bucket's sum of squares, before ranks that have other parts add theirs. */
const isSquares = (step: PlacedStep): boolean =>
  isOp(step) && step.op === 'einsum' && step.inputs.length === 2 && step.inputs[0] === step.inputs[1];

export const publishedPlants: Plants = {
  loss_of_local_words: {
    what: 'the loss is taken over a rank’s own words',
    reference: 'NVIDIA/Megatron-LM#7452, finding 1: label smoothing over the local vocabulary',
    graphs: inStep((graph) =>
      atEach(
        graph,
        (step) => sumsExponentials(graph, step),
        (changed, at, step) => unsummed(changed, at, step, tensor),
      ),
    ),
  },
  loss_plus_log_of_ranks: {
    what: 'what ranks have summed over words is summed by each of them again: the loss is too great by the logarithm of their number',
    reference: 'NVIDIA/Megatron-LM#7452, finding 2: gathered logits taken for shards',
    graphs: inStep((graph) =>
      atEach(
        graph,
        (step) => sumsExponentials(graph, step),
        (changed, _, step) => scaled(changed, step.outputs[0], ranksAlong(changed, step, tensor)),
      ),
    ),
  },
  local_token_counts: {
    what: 'each data rank divides by its own tokens',
    reference: 'NVIDIA/Megatron-LM#7452, finding 3: per-token normalisation by local counts (14/3 for 4)',
    graphs: inUpdate((graph) => {
      const tokens = graph.inputs.find(({ name }) => name === 'tokens')!.value;
      return atEach(
        graph,
        (step) => sumsOver(step, ['data', 'data.replica', 'data.shard']) && step.inputs[0] === tokens,
        (changed, at, step) => unsummed(changed, at, step, ['data', 'data.replica', 'data.shard']),
      );
    }),
  },
  router_counts_of_all: {
    what: 'the tokens that each expert is sent are counted once for each rank that shares the sequences',
    reference:
      'NVIDIA/Megatron-LM#7452, finding 10: local counts overwritten by their all-reduce double the balance gradient',
    graphs: inStep((graph, { split }) => {
      const counts = graph.steps.filter(
        (step) =>
          isOp(step) &&
          step.op === 'cast' &&
          step.source.phase === 'forward' &&
          step.source.path.endsWith('.experts') &&
          graph.values[step.inputs[0]].type.dtype === 'i32' &&
          graph.values[step.outputs[0]].type.dtype !== 'i32' &&
          namesOf(graph.values[step.outputs[0]].type).join(' ') === 'microbatch experts',
      );
      return counts.reduce(
        (changed, step) => scaled(changed, step.outputs[0], ranksAlong(changed, step, split.sequence ?? [])),
        graph,
      );
    }),
  },
  norm_of_one_rank: {
    what: 'of a gradient that tensor ranks share, the norm has one rank’s part',
    reference: 'NVIDIA/Megatron-LM#7452, finding 8: the gradient of head-sharded sinks in the clip norm',
    graphs: inUpdate((graph) =>
      atEach(
        graph,
        (step) => sumsOver(step, tensor) && isSquaresSum(graph, step.inputs[0]),
        (changed, at, step) => unsummed(changed, at, step, tensor),
      ),
    ),
  },
  bias_of_every_rank: {
    what: 'every tensor rank adds the bias to its part of a product',
    reference: 'pytorch/torchtitan#4245: bias times tensor ranks',
    graphs: inStep((graph) =>
      atEach(
        graph,
        (step) => isOp(step) && step.op.endsWith('add') && biasOf(graph, step) !== undefined && isRowParallel(step),
        (changed, at, step) => {
          const id = biasOf(graph, step)!;
          const { graph: wider, copy } = scaledFor(changed, id, ranksAlong(changed, step, tensor), at);
          return wider === changed ? changed : replaceInput(wider, step.outputs[0], id, copy);
        },
      ),
    ),
  },
  bias_gradient_over_ranks: {
    what: 'the gradient of a bias behind a row-parallel product is divided by the tensor ranks',
    reference: 'pytorch/torchtitan#4332: rowwise bias gradients too small by the tensor degree',
    graphs: inStep(gradientsTimes(/\.(output|down)\.bias$/, (graph, pack) => 1 / ranksAlong(graph, pack, tensor))),
  },
  expert_gradient_doubled: {
    what: 'the gradient of an expert’s weights counts once for each expert rank',
    reference: 'pytorch/pytorch#160285: expert gradients doubled under two expert ranks',
    graphs: inStep(gradientsTimes(/\.experts\.(gate|up|down)$/, expertRanks)),
  },
  shared_input_not_summed: {
    what: 'the gradient of what all tensor ranks read is that of one of them',
    reference: 'pytorch/torchtitan#1373 (comment): the gradient of a key shared by heads of several ranks',
    graphs: inStep((graph) =>
      atEach(
        graph,
        (step) => sumsOver(step, tensor) && step.source.phase === 'backward' && step.source.path.startsWith('blocks.'),
        (changed, at, step) => unsummed(changed, at, step, tensor),
      ),
    ),
  },
  context_keys_not_summed: {
    what: 'the gradients of keys and values lack those of other ranks’ queries',
    reference: 'NVIDIA/Megatron-LM#1464, TransformerEngine#1557: wrong attention gradients under context parallelism',
    graphs: inStep((graph) =>
      atEach(
        graph,
        (step) =>
          sumsOver(step, ['context']) && step.source.phase === 'backward' && /attention$/.test(step.source.path),
        (changed, at, step) => unsummed(changed, at, step, ['context']),
      ),
    ),
  },
  expert_norm_of_one_rank: {
    what: 'the norm has the gradients of one rank’s experts',
    reference: 'NVIDIA/Megatron-LM#5916: gradient norm undercounted under expert and tensor parallelism',
    graphs: (placed, plan) => {
      const buckets = placed.buckets.filter(({ members }) => members.some(({ name }) => name.includes('.experts.')));
      return inUpdate((graph, { split }) =>
        atEach(
          graph,
          (step) =>
            sumsOver(step, split.experts ?? []) &&
            isSquaresSum(graph, step.inputs[0]) &&
            buckets.some(({ name }) => makerOf(graph, step.inputs[0])?.source.path === name),
          (changed, at, step) => unsummed(changed, at, step, split.experts ?? []),
        ),
      )(placed, plan);
    },
  },
  balance_over_context: {
    what: 'the gradient of the balance loss is divided by the context ranks',
    reference: 'NVIDIA/Megatron-LM#2217, #3959: auxiliary losses scaled down by the context size',
    graphs: inStep((graph) =>
      atEach(
        graph,
        (step) => isOp(step) && step.op === 'scale' && step.source.path === 'loss' && step.source.phase === 'backward',
        (changed, _, step) => scaled(changed, step.outputs[0], 1 / ranksAlong(changed, step, ['context'])),
      ),
    ),
  },
  replicated_norm_again: {
    what: 'the norm counts a gradient that all tensor ranks have once for each',
    reference: 'ROCm/TransformerEngine#715: replicated weights marked as tensor-parallel inflate the norm',
    graphs: inUpdate((graph) =>
      atEach(
        graph,
        (step) =>
          isSquares(step) &&
          Object.values(graph.values[step.inputs[0]].layout.splits).every(({ axes }) => !axes.includes('tensor')),
        (changed, _, step) => scaled(changed, step.outputs[0], ranksAlong(changed, step, tensor)),
      ),
    ),
  },
  probability_forgotten: {
    what: 'where words are split, the loss’s gradient lacks the softmax',
    reference: 'pytorch/pytorch#190746: loss_parallel gives log_softmax the gradient of an identity',
    graphs: inStep((graph) =>
      atEach(
        graph,
        (step) =>
          isOp(step) &&
          step.op === 'exp' &&
          step.source.path === 'loss' &&
          step.source.phase === 'backward' &&
          Object.values(step.assignment.splits).some(({ axes }) => axes.includes('tensor')),
        (changed, _, step) => scaled(changed, step.outputs[0], 0),
      ),
    ),
  },
};

/** Whether a scalar is a bucket's sum of squares, or a sum of such. */
function isSquaresSum(graph: PlacedGraph, id: PlacedId): boolean {
  const maker = makerOf(graph, id);
  if (!maker || !isOp(maker)) return false;
  return isSquares(maker) || (maker.op === 'add' && maker.inputs.some((one) => isSquaresSum(graph, one)));
}

/** The bias that a step adds: an input of the graph, or made of one by moves alone. */
function biasOf(graph: PlacedGraph, step: PlacedStep): PlacedId | undefined {
  const isBias = (id: PlacedId): boolean => {
    const maker = makerOf(graph, id);
    if (maker && maker.kind !== 'op')
      return maker.kind === 'unpack' ? graph.values[id].name.includes('bias') : isBias(maker.inputs[0]);
    return graph.inputs.some(({ value, name }) => value === id && name.endsWith('.bias'));
  };
  return (step.inputs as readonly PlacedId[]).find(isBias);
}

const isRowParallel = ({ source }: PlacedStep): boolean =>
  source.phase === 'forward' && /\.(output|down)$/.test(source.path);

/** A value times a factor beside itself, right before a step. */
function scaledFor(graph: PlacedGraph, id: PlacedId, by: number, before: number) {
  if (by === 1) return { graph, copy: id };
  const one = scaled(graph, id, by);
  const made = one.steps.find(({ outputs }) => outputs[0] === graph.values.length)!;
  const steps = [...graph.steps.slice(0, before), made, ...graph.steps.slice(before)];
  return { graph: { ...graph, values: one.values, steps }, copy: graph.values.length };
}

/** The step that makes a value reads another operand. */
const replaceInput = (graph: PlacedGraph, of: PlacedId, from: PlacedId, to: PlacedId): PlacedGraph => ({
  ...graph,
  steps: graph.steps.map((step) =>
    step.outputs[0] === of
      ? ({ ...step, inputs: step.inputs.map((id) => (id === from ? to : id)) } as PlacedStep)
      : step,
  ),
});
