/**
 * Random training steps: a model of small odd sizes, a mesh, and a plan for it. Drawn as plain numbers that shrink towards one layer of
 * one head on two ranks; data follow from element indices.
 */
import fc from 'fast-check';
import type { Graph } from '../../src/ir/graph.js';
import { axesSize, mesh, type AxisName } from '../../src/ir/mesh.js';
import type { FactorName } from '../../src/ir/type.js';
import type { GradientTypes } from '../../src/passes/precision.js';
import type { Placement } from '../../src/partition/placement.js';
import type { LanguageModel } from '../../src/nn/language_model.js';
import type { Documents } from '../../src/nn/trace.js';
import { GPT, Llama, Mixtral } from '../../src/nn/models/index.js';
import { contextMethods, type ContextMethod } from '../../src/plan/context_methods.js';
import {
  groupName,
  gradientReductions,
  groupOfChunks,
  zeroStages,
  type GradientReduction,
  type Plan,
  type PlanGroup,
  type PlanScope,
} from '../../src/plan/plan.js';
import { rowsOf, writtenSchedule } from '../../src/plan/plan_schedule.js';
import { generateSchedule, scheduleKind, scheduleKinds } from '../../src/schedule/kinds.js';
import { groupOfChunk } from '../../src/schedule/placement.js';
import { languageModel } from '../scenarios/language_model.js';
import { mlp } from '../scenarios/mlp.js';
import { divisorsOf } from '../../src/options/divisors.js';
import { uniform, type ScenarioOptions } from '../scenarios/scenario.js';
import { TiedMixtral } from '../scenarios/tied_mixtral.js';
import { whim } from '../scenarios/whim.js';
import { someBounds } from './layouts.js';
import { anyTable, reordered } from './schedules.js';

export interface MeshDraw {
  readonly data: number;
  readonly tensor: number;
  readonly context: number;
}

export interface TrainingDraw {
  readonly model: 'mlp' | 'gpt' | 'llama' | 'mixtral';
  /** At least: a pipeline of more chunks than segments has more. */
  readonly layers: number;
  readonly heads: number;
  readonly headDim: number;
  /** Query heads to a key/value head, in Llama. */
  readonly group: number;
  readonly hidden: number;
  readonly vocab: number;
  readonly experts: number;
  /** Whether routers are trained on their z-loss. */
  readonly zLoss: boolean;
  readonly dropout: boolean;
  readonly tied: boolean;
  /** Tokens that a token attends to; 0: all before it. */
  readonly window: number;
  readonly documents: Documents;
  readonly sinks: boolean;
  /** In GPT. */
  readonly positions: 'learned' | 'alibi' | 'relative';
  readonly sequence: number;
  readonly batch: number;
  /** Logical microbatches in a scheduled one: need not divide over the data ranks. */
  readonly logical: number;
  /** At least: a schedule that needs more has more. */
  readonly microbatches: number;
  /** Ranks along each axis, of each group. */
  readonly meshes: readonly MeshDraw[];
  readonly schedule: string;
  /** Chunks for each group, where the schedule leaves that open and the model has segments enough. */
  readonly virtualStages: number;
  /** Seed of where the model is cut in chunks; 0: evenly. */
  readonly cuts: number;
  /**
   * The schedule as it is generated; or written out, with neighbouring slots exchanged; or any table at all of any chunks on any groups,
   * with split backwards and woven slots where it likes. The last two by a seed.
   */
  readonly order: readonly [how: 'generated' | 'reordered' | 'any', seed: number];
  /** What the data axis splits. */
  readonly dataSplits: 'batch' | 'microbatch';
  /** Factors that the plan leaves whole of those that tensor parallelism splits: a bit each. */
  readonly skip: number;
  /** A factor split in uneven parts: its place in the list, and the seed of its bounds; 0 is none. */
  readonly uneven: readonly [factor: number, seed: number];
  /** What the context axis splits. */
  readonly contextSplits: 'sequence' | 'dim';
  /** Whether experts lie on data ranks, not on those of tensor parallelism. */
  readonly expertsOverData: boolean;
  /** Whether they lie on context ranks, too or instead. */
  readonly expertsOverContext: boolean;
  /** Whether ranks that share sequences share the hidden layers of all tokens of these too: an expert's, where they do not lie on them. */
  readonly hiddenOverContext: boolean;
  /** Which divisor of the sequence its tokens queue for experts in: 0 is one group. */
  readonly tokenGroups: number;
  readonly contextMethod: ContextMethod;
  /** Whether shared sequences are stored head-tail, where the method takes that. */
  readonly headTail: boolean;
  /** Whether the tensor axis splits sequences where it splits nothing else. */
  readonly sequenceParallel: boolean;
  readonly zero: Plan['zero']['stage'];
  /** Whether ZeRO splits over the context ranks too. */
  readonly zeroOverContext: boolean;
  /** What the backward makes again, and how long that is kept. */
  readonly again: readonly [what: 'nothing' | 'all' | 'cheap' | 'first', keep: PlanScope['keep']];
  /** How long activations are kept that are gathered for an op. */
  readonly reshards: PlanScope['keep'];
  /** How many of the data ranks ZeRO splits over, where that divides them: replicas of shards; 0: all of them. */
  readonly shard: number;
  /** Whether parameters are gathered for each direction, at stage 3, or once a step. */
  readonly gatheredAgain: boolean;
  /** Bytes of a bucket at most; 0: as usual. */
  readonly bucketBytes: number;
  /** How many segments ahead parameters are gathered, at stage 3. */
  readonly prefetch: number;
  /** When gradients are reduced; null: as usual at the stage. */
  readonly reductions: GradientReduction | null;
  /** In mixed precision, in which type gradients are summed, and in which they are reduced; null: as summed. */
  readonly gradients: readonly [summed: GradientTypes, reduced: 'f32' | 'f64' | null];
  /** Without an update the step's results are its gradients and its loss. */
  readonly update: boolean;
  /** See {@link whim}. */
  readonly whim: number;
}

/** Three in five are perceptrons: whole programs of theirs take a third of the time, and pipelines show as much there. */
const someModels = ['mlp', 'mlp', 'mlp', 'mlp', 'mlp', 'mlp', 'gpt', 'gpt', 'llama', 'mixtral'] as const;

/** How each number of a draw is drawn, where a search does not say otherwise. */
export const trainingFields = (): { readonly [K in keyof TrainingDraw]: fc.Arbitrary<TrainingDraw[K]> } => ({
  model: fc.constantFrom(...someModels),
  layers: fc.constantFrom(1, 1, 2),
  heads: fc.integer({ min: 1, max: 5 }),
  headDim: fc.integer({ min: 1, max: 3 }),
  group: fc.integer({ min: 1, max: 3 }),
  hidden: fc.integer({ min: 1, max: 9 }),
  vocab: fc.integer({ min: 2, max: 13 }),
  experts: fc.integer({ min: 2, max: 5 }),
  zLoss: fc.boolean(),
  dropout: fc.boolean(),
  tied: fc.boolean(),
  window: fc.constantFrom(0, 1, 2, 3),
  documents: fc.constantFrom('packed', 'separate'),
  sinks: fc.boolean(),
  positions: fc.constantFrom('learned', 'alibi', 'relative'),
  sequence: fc.integer({ min: 1, max: 5 }),
  batch: fc.integer({ min: 1, max: 4 }),
  logical: fc.integer({ min: 1, max: 3 }),
  microbatches: fc.integer({ min: 1, max: 4 }),
  meshes: anyMeshes(),
  schedule: fc.constantFrom(...scheduleKinds.keys()),
  virtualStages: fc.integer({ min: 1, max: 3 }),
  cuts: fc.oneof(fc.constant(0), fc.nat(1000)),
  order: fc.tuple(fc.constantFrom('generated', 'generated', 'reordered', 'any'), fc.nat(1000)),
  dataSplits: fc.constantFrom('batch', 'microbatch'),
  skip: fc.nat(31),
  uneven: fc.tuple(fc.nat(7), fc.oneof(fc.constant(0), fc.nat(1000))),
  contextSplits: fc.constantFrom('sequence', 'sequence', 'dim'),
  expertsOverData: fc.boolean(),
  expertsOverContext: fc.boolean(),
  hiddenOverContext: fc.constantFrom(false, false, true),
  tokenGroups: fc.constantFrom(0, 1, 1, 2),
  contextMethod: fc.constantFrom(...contextMethods),
  headTail: fc.boolean(),
  sequenceParallel: fc.boolean(),
  zero: fc.constantFrom(...zeroStages),
  zeroOverContext: fc.boolean(),
  again: fc.tuple(
    fc.constantFrom('nothing', 'nothing', 'all', 'cheap', 'first'),
    fc.constantFrom('backward', 'slot', 'segment and direction'),
  ),
  reshards: fc.constantFrom('microbatch', 'microbatch', 'backward', 'slot', 'segment and direction'),
  shard: fc.constantFrom(0, 0, 2),
  gatheredAgain: fc.boolean(),
  bucketBytes: fc.constantFrom(0, 0, 1, 200),
  prefetch: fc.constantFrom(1, 0, 2),
  reductions: fc.constantFrom(null, null, ...gradientReductions),
  gradients: fc.tuple(fc.constantFrom('master', 'compute'), fc.constantFrom(null, 'f32', 'f64')),
  update: fc.boolean(),
  whim: fc.oneof(fc.constantFrom(0, 1), fc.nat(1000)),
});

export const anyTraining = (models: readonly TrainingDraw['model'][] = someModels): fc.Arbitrary<TrainingDraw> =>
  fc.record<TrainingDraw>({ ...trainingFields(), model: fc.constantFrom(...models) });

/** Most have few ranks, since time goes by ranks: eight at most in all, of up to four groups. */
const anyMeshes = (): fc.Arbitrary<readonly MeshDraw[]> =>
  fc.oneof(
    { arbitrary: fc.tuple(anyMeshDraw(4)), weight: 4 },
    { arbitrary: fc.tuple(anyMeshDraw(2), anyMeshDraw(2)), weight: 6 },
    { arbitrary: fc.tuple(anyMeshDraw(4), anyMeshDraw(2)), weight: 2 },
    { arbitrary: fc.tuple(anyMeshDraw(2), anyMeshDraw(4)), weight: 2 },
    { arbitrary: fc.tuple(anyMeshDraw(1), anyMeshDraw(2), anyMeshDraw(2)), weight: 1 },
    { arbitrary: fc.tuple(anyMeshDraw(1), anyMeshDraw(1), anyMeshDraw(1), anyMeshDraw(1)), weight: 1 },
    { arbitrary: fc.tuple(anyMeshDraw(8)), weight: 1 },
  );

/** Each factorization of a number of ranks is as likely as any other. */
function anyMeshDraw(most: number): fc.Arbitrary<MeshDraw> {
  const meshes = [1, 2, 3, 4].flatMap((context) =>
    [1, 2, 3, 4, 8].flatMap((tensor) => [1, 2, 3, 4, 8].map((data): MeshDraw => ({ data, tensor, context }))),
  );
  return fc.constantFrom(...meshes.filter((draw) => ranksOfDraw(draw) <= most));
}

/** The ranks of a group. */
export const ranksOfDraw = ({ data, tensor, context }: MeshDraw): number => data * tensor * context;

/** The axes of a group: its data ranks in replicas of shards where they are drawn so and divide. */
function meshOf({ data, context, tensor }: MeshDraw, draw: TrainingDraw): PlanGroup['mesh'] {
  const { shard, contextMethod } = draw;
  const inner = data % shard === 0 ? shard : data;
  const pairs = context % 2 === 0 ? 2 : 1;
  return {
    ...(shard === 0 ? { data } : { 'data.replica': data / inner, 'data.shard': inner }),
    tensor,
    ...(contextMethod === 'ulysses+ring' ? { 'context.0': context / pairs, 'context.1': pairs } : { context }),
  };
}

/** Rings across, heads exchanged within. */
const contextAxesOf = ({ contextMethod }: TrainingDraw): readonly AxisName[] =>
  contextMethod === 'ulysses+ring' ? ['context.0', 'context.1'] : ['context'];

/** What tensor parallelism may split, in the order in which a parameter takes the first that it has. */
const tensorFactors: readonly FactorName[] = ['heads', 'kv_group', 'hidden', 'vocab', 'experts'];

/** The scenario that a draw means, in f64 unless told otherwise. */
export function trainingScenario(
  draw: TrainingDraw,
  hints: HintsDraw = { percent: 0, seed: 0 },
  dtype: 'f32' | 'f64' = 'f64',
): ScenarioOptions {
  const dataAxes = draw.shard === 0 ? ['data'] : ['data.replica', 'data.shard'];
  let split: Record<FactorName, readonly string[]> = {
    [draw.model === 'mlp' ? 'batch' : draw.dataSplits]: dataAxes,
    [draw.contextSplits]: contextAxesOf(draw),
  };
  tensorFactors.forEach((factor, i) => {
    if (((draw.skip >> i) & 1) === 0) split[factor] = ['tensor'];
  });
  if (draw.expertsOverData) split.experts = dataAxes.slice(-1);
  if (draw.expertsOverContext)
    split.experts = [...(draw.expertsOverData ? split.experts : []), ...contextAxesOf(draw).slice(-1)];
  if (draw.sequenceParallel) {
    const { sequence = [], experts, ...others } = split;
    // It yields to what stands before it: not to experts, where these have groups of tokens.
    const shared = { sequence: [...sequence, 'tensor'] };
    const over: typeof split = experts ? { experts } : {};
    split = draw.tokenGroups > 0 ? { ...others, ...shared, ...over } : { ...others, ...over, ...shared };
  }
  if (draw.hiddenOverContext && !draw.expertsOverContext) {
    const { hidden = [], ...others } = split;
    split = { ...others, hidden: [...contextAxesOf(draw).slice(-1), ...hidden] };
  }
  const sizes = factorSizes(draw);
  const bounds: Record<FactorName, readonly number[]> = {};
  const [place, seed] = draw.uneven;
  const factor = Object.keys(split)[place % Object.keys(split).length];
  const parts = new Set(
    draw.meshes.map((one) => axesSize(mesh(meshOf(one, draw)), split[factor])).filter((n) => n > 1),
  );
  // Bounds fit one number of parts, in every group that splits the factor at all.
  if (seed > 0 && sizes[factor] && parts.size === 1) bounds[factor] = someBounds(sizes[factor], [...parts][0], seed);
  const pipeline = pipelineOfDraw(draw);
  const graphs = graphsOf({ ...draw, layers: pipeline.layers }, dtype);
  return {
    ...graphs,
    name: draw.model,
    ...scheduled(draw, pipeline, graphs.step),
    split,
    bounds,
    contextMethod: draw.contextMethod,
    ...(draw.headTail && draw.contextMethod !== 'ulysses' && { contextOrder: 'head_tail' as const }),
    zero: {
      stage: draw.zero,
      axes: [dataAxes[dataAxes.length - 1], ...(draw.zeroOverContext ? contextAxesOf(draw) : [])],
      ...(draw.zero === 3 && { prefetch: draw.prefetch, reshard_after_forward: draw.gatheredAgain }),
      ...(draw.bucketBytes > 0 && { bucket_bytes: draw.bucketBytes }),
      ...(draw.reductions && { reduce_gradients: draw.reductions }),
    },
    scopes: scopesOf(draw, graphs.step),
    costs: whim(draw.whim),
    hint: hintFrom(meshOf(draw.meshes[0], draw), hints),
    memory: { moves: 2, searchNodes: 0 },
  };
}

/** Of the graph's first segment, or of all. */
function scopesOf({ again: [what, keep], reshards }: TrainingDraw, { nodes }: Graph): Plan['scopes'] {
  const gathered: Plan['scopes'] =
    reshards === 'microbatch' ? [] : [{ of: '*', made: 'reshard', keep: reshards, ops: 'all' }];
  if (what === 'nothing') return gathered;
  const of = what === 'first' ? nodes[0].source.segment : '*';
  return [...gathered, { of, made: 'again', keep, ops: what === 'cheap' ? 'cheap' : 'all' }];
}

interface PipelineDraw {
  readonly meshes: readonly MeshDraw[];
  /** On each group. */
  readonly virtualStages: number;
  readonly layers: number;
}

/** Chunks of a language model at most: more need more layers, which take long and show nothing that those of a perceptron do not. */
const mostChunks = 4;

/** Groups and chunks as drawn, as far as the schedule and the size of the model allow, and the layers that they need. */
function pipelineOfDraw(draw: TrainingDraw): PipelineDraw {
  const { model, layers, meshes: drawn, schedule, virtualStages: wanted, order } = draw;
  const most = model === 'mlp' ? Infinity : mostChunks;
  const legs = order[0] === 'any' ? { least: 1 } : scheduleKind(schedule).virtualStages;
  const [least, asked] = 'exactly' in legs ? [legs.exactly, legs.exactly] : [legs.least, Math.max(legs.least, wanted)];
  const meshes = drawn.slice(0, Math.floor(most / least));
  const virtualStages = Math.min(asked, Math.floor(most / meshes.length));
  const chunks = meshes.length * virtualStages;
  return { meshes, virtualStages, layers: Math.max(layers, model === 'mlp' ? chunks : chunks - 2) };
}

/** The graph's segments in chunks, their groups, and the order of their slots. */
function scheduled(draw: TrainingDraw, { meshes, virtualStages }: PipelineDraw, step: Graph): Partial<ScenarioOptions> {
  const {
    schedule,
    microbatches: wanted,
    cuts,
    order: [how, seed],
  } = draw;
  const kind = scheduleKind(schedule);
  const segments = [...new Set(step.nodes.filter((n) => n.source.phase === 'forward').map((n) => n.source.segment))];
  const chunks = meshes.length * virtualStages;
  const even = Array.from({ length: chunks + 1 }, (_, i) => Math.ceil((i * segments.length) / chunks));
  const bounds = cuts === 0 ? even : someCuts(segments.length, chunks, cuts);
  // Any table: each group has a chunk, and who has the others is anyone's guess.
  const groupOf = (chunk: number) =>
    how !== 'any' || chunk < meshes.length
      ? groupOfChunk(kind.placement, meshes.length, chunk)
      : Math.floor(meshes.length * uniform(`chunk ${seed} ${chunk}`));
  const pipeline: Pick<Plan, 'groups' | 'chunks'> = {
    groups: Object.fromEntries(meshes.map((one, i) => [groupName(i), { mesh: meshOf(one, draw) }])),
    chunks: Array.from({ length: chunks }, (_, chunk) => ({
      segments: segments.slice(bounds[chunk], bounds[chunk + 1]),
      on: groupName(groupOf(chunk)),
    })),
  };
  const microbatches = how === 'any' ? wanted : Math.max(wanted, kind.leastMicrobatches(meshes.length));
  if (how === 'generated') return { pipeline, schedule, microbatches };
  const groups = groupOfChunks(pipeline);
  const of = { groups: meshes.length, chunks, microbatches, groupOf: (chunk: number) => groups[chunk] };
  const table =
    how === 'any'
      ? anyTable(of, (chunk) => uniform(`split ${seed} ${chunk}`) < 0.5, seed)
      : reordered(generateSchedule(schedule, { groups: meshes.length, virtualStages, microbatches }), of, seed);
  return { pipeline, schedule: writtenSchedule, table: rowsOf(table), microbatches };
}

/** Cuts in parts that have a segment each. */
function someCuts(segments: number, chunks: number, seed: number): readonly number[] {
  const places = Array.from({ length: segments - 1 }, (_, i) => i + 1);
  const order = (place: number) => uniform(`cut ${seed} ${place}`);
  const cuts = places.sort((a, b) => order(a) - order(b)).slice(0, chunks - 1);
  return [0, ...cuts.sort((a, b) => a - b), segments];
}

/** Hints before they are fitted: the share of ops that get one, and a seed. */
export interface HintsDraw {
  readonly percent: number;
  readonly seed: number;
}

export const anyHints = (): fc.Arbitrary<HintsDraw> =>
  fc.record({ percent: fc.constantFrom(0, 5, 20, 60), seed: fc.nat(1000) });

/** Splits for some of the ops, forward and backward: any factor over any axis, of which illegal ones are ignored. */
function hintFrom(sizes: PlanGroup['mesh'], { percent, seed }: HintsDraw): Placement['hint'] {
  return ({ source, rule }) => {
    const roll = (what: string) =>
      uniform(`hint ${seed} ${source.path} ${source.phase} ${Object.keys(rule.factors)} ${what}`);
    if (roll('given') * 100 >= percent) return null;
    const pick = <T>(list: readonly T[], what: string): T => list[Math.floor(roll(what) * list.length)];
    const factors = Object.keys(rule.factors);
    if (factors.length === 0) return null;
    const [first, second] = [pick(factors, 'factor'), pick(factors, 'other factor')];
    const axes = Object.keys(sizes);
    return { [second]: { axes: [pick(axes, 'other axis')] }, [first]: { axes: [pick(axes, 'axis')] } };
  };
}

function graphsOf(draw: TrainingDraw, dtype: 'f32' | 'f64'): Pick<ScenarioOptions, 'step' | 'update' | 'element'> {
  const { batch, logical, sequence, documents, update } = draw;
  if (draw.model === 'mlp') {
    const options = { batch, dim: dimOf(draw), hidden: draw.hidden, layers: draw.layers };
    return mlp({ ...options, dtype, segments: 'layers', update: update ? 'adamw' : 'none' });
  }
  const made = languageModel(modelOf(draw), { microbatches: logical, batch, sequence, dtype, documents });
  return { ...made, update: update ? made.update : null, element: withPadding(made.element!) };
}

/** One label in eight is padding: it has no loss, and does not count. */
const withPadding =
  (element: NonNullable<ScenarioOptions['element']>): NonNullable<ScenarioOptions['element']> =>
  (input, index, microbatch) =>
    input.name === 'labels' && uniform(`padding ${index} ${microbatch}`) < 0.125
      ? -1
      : element(input, index, microbatch);

function modelOf(draw: TrainingDraw): LanguageModel {
  const { layers, heads, group, hidden, vocab, tied, window, sinks, positions, experts, zLoss, sequence } = draw;
  const common = { layers, dim: dimOf(draw), hidden, vocab, window, sinks, context: sequence };
  if (draw.model === 'gpt') return new GPT({ ...common, heads, positions, dropout: draw.dropout ? 0.3 : 0 });
  const grouped = { ...common, heads: heads * group, kv_heads: heads };
  if (draw.model === 'llama') return new Llama({ ...grouped, tied });
  const divisors = divisorsOf(sequence);
  return new (tied ? TiedMixtral : Mixtral)({
    ...grouped,
    experts,
    choices: Math.min(2, experts),
    token_groups: divisors[draw.tokenGroups % divisors.length],
    z_loss: zLoss ? 0.3 : 0,
  });
}

function dimOf({ model, heads, headDim, group }: TrainingDraw): number {
  // Rotary turns pairs.
  return model === 'gpt' || model === 'mlp' ? heads * headDim : heads * group * 2 * headDim;
}

function factorSizes(draw: TrainingDraw): Readonly<Record<FactorName, number>> {
  const { model, heads, group, hidden, vocab, experts, sequence, batch, logical } = draw;
  const common = { hidden, batch, dim: dimOf(draw) };
  if (model === 'mlp') return common;
  const grouped = group > 1 && model !== 'gpt';
  return {
    ...common,
    vocab,
    sequence,
    microbatch: logical,
    ...(grouped ? { kv_group: heads } : { heads }),
    ...(model === 'mixtral' ? { experts } : {}),
  };
}
