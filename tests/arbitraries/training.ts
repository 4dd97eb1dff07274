/**
 * Random training steps: a model of small odd sizes, a mesh, and a plan for it. Drawn as plain numbers that shrink towards one layer of
 * one head on two ranks; data follow from element indices.
 */
import { pipelineOf, zeroStages, type ZeroStage } from '../../src/plan/plan.js';
import fc from 'fast-check';
import type { Graph } from '../../src/ir/graph.js';
import { axesSize, mesh } from '../../src/ir/mesh.js';
import type { FactorName } from '../../src/ir/type.js';
import type { Placement } from '../../src/partition/partition.js';
import type { LanguageModel } from '../../src/nn/language_model.js';
import { GPT, Llama, Mixtral } from '../../src/nn/models/index.js';
import { languageModel } from '../scenarios/language_model.js';
import { mlp } from '../scenarios/mlp.js';
import { uniform, type ScenarioOptions } from '../scenarios/scenario.js';
import { whim } from '../scenarios/whim.js';
import { someBounds } from './layouts.js';

export interface MeshDraw {
  readonly data: number;
  readonly tensor: number;
  readonly context: number;
}

export interface TrainingDraw {
  readonly model: 'mlp' | 'gpt' | 'llama' | 'mixtral';
  readonly layers: number;
  readonly heads: number;
  readonly headDim: number;
  /** Query heads to a key/value head, in Llama. */
  readonly group: number;
  readonly hidden: number;
  readonly vocab: number;
  readonly experts: number;
  readonly dropout: boolean;
  readonly tied: boolean;
  readonly sequence: number;
  readonly batch: number;
  /** Logical microbatches in a scheduled one: need not divide over the data ranks. */
  readonly logical: number;
  readonly microbatches: number;
  /** Ranks along each axis; at most eight in all. */
  readonly mesh: MeshDraw;
  /** Null: one group. Else the mesh of a second one, which runs the last half of the segments. */
  readonly second: MeshDraw | null;
  readonly schedule: string;
  /** What the data axis splits. */
  readonly dataSplits: 'batch' | 'microbatch';
  /** Factors that the plan leaves whole of those that tensor parallelism splits: a bit each. */
  readonly skip: number;
  /** A factor split in uneven parts: its place in the list, and the seed of its bounds; 0 is none. */
  readonly uneven: readonly [factor: number, seed: number];
  /** What the context axis splits. */
  readonly contextSplits: 'sequence' | 'dim';
  readonly zero: ZeroStage;
  /** Without an update the step's results are its gradients and its loss. */
  readonly update: boolean;
  /** See {@link whim}. */
  readonly whim: number;
}

export const anyTraining = (models: readonly TrainingDraw['model'][] = ['mlp', 'gpt', 'llama', 'mixtral']) =>
  fc.record<TrainingDraw>({
    model: fc.constantFrom(...models),
    layers: fc.integer({ min: 1, max: 2 }),
    heads: fc.integer({ min: 1, max: 5 }),
    headDim: fc.integer({ min: 1, max: 3 }),
    group: fc.integer({ min: 1, max: 3 }),
    hidden: fc.integer({ min: 1, max: 9 }),
    vocab: fc.integer({ min: 2, max: 13 }),
    experts: fc.integer({ min: 2, max: 5 }),
    dropout: fc.boolean(),
    tied: fc.boolean(),
    sequence: fc.integer({ min: 1, max: 5 }),
    batch: fc.integer({ min: 1, max: 4 }),
    logical: fc.integer({ min: 1, max: 3 }),
    microbatches: fc.integer({ min: 1, max: 4 }),
    mesh: anyMeshDraw(8),
    second: fc.oneof(fc.constant(null), fc.constant(null), anyMeshDraw(4)),
    schedule: fc.constantFrom('1f1b', 'gpipe'),
    dataSplits: fc.constantFrom('batch', 'microbatch'),
    skip: fc.nat(31),
    uneven: fc.tuple(fc.nat(7), fc.oneof(fc.constant(0), fc.nat(1000))),
    contextSplits: fc.constantFrom('sequence', 'dim'),
    zero: fc.constantFrom(...zeroStages),
    update: fc.boolean(),
    whim: fc.oneof(fc.constantFrom(0, 1), fc.nat(1000)),
  });

function anyMeshDraw(ranks: number): fc.Arbitrary<MeshDraw> {
  return fc
    .record({
      data: fc.constantFrom(1, 2, 3, 4, 8),
      tensor: fc.constantFrom(1, 2, 3, 4, 8),
      context: fc.constantFrom(1, 1, 2),
    })
    .filter(({ data, tensor, context }) => data * tensor * context <= ranks);
}

/** What tensor parallelism may split, in the order in which a parameter takes the first that it has. */
const tensorFactors: readonly FactorName[] = ['heads', 'kv_group', 'hidden', 'vocab', 'experts'];

/** The scenario that a draw means. */
export function trainingScenario(draw: TrainingDraw, hints: HintsDraw = { percent: 0, seed: 0 }): ScenarioOptions {
  const split: Record<FactorName, readonly string[]> = {
    [draw.model === 'mlp' ? 'batch' : draw.dataSplits]: ['data'],
    [draw.contextSplits]: ['context'],
  };
  tensorFactors.forEach((factor, i) => {
    if (((draw.skip >> i) & 1) === 0) split[factor] = ['tensor'];
  });
  const sizes = factorSizes(draw);
  const bounds: Record<FactorName, readonly number[]> = {};
  const [place, seed] = draw.uneven;
  const factor = Object.keys(split)[place % Object.keys(split).length];
  // Bounds fit one number of parts: groups of unlike meshes have even ones.
  if (seed > 0 && sizes[factor] && !draw.second) {
    bounds[factor] = someBounds(sizes[factor], axesSize(mesh({ ...draw.mesh }), split[factor]), seed);
  }
  const graphs = graphsOf(draw);
  return {
    ...graphs,
    name: draw.model,
    ...groupsOf(draw, graphs.step),
    split,
    bounds,
    zero: { stage: draw.zero, axis: 'data' },
    microbatches: draw.microbatches,
    costs: (meshes) => whim(meshes, draw.whim),
    hint: hintFrom(draw.mesh, hints),
    memory: { moves: 10, searchNodes: 0 },
  };
}

function groupsOf({ mesh: first, second, schedule }: TrainingDraw, step: Graph): Partial<ScenarioOptions> {
  const segments = [...new Set(step.nodes.filter((n) => n.source.phase === 'forward').map((n) => n.source.segment))];
  if (!second || segments.length < 2) return { mesh: { ...first }, schedule };
  const cut = Math.ceil(segments.length / 2);
  const groups = [
    { segments: segments.slice(0, cut), mesh: { ...first } },
    { segments: segments.slice(cut), mesh: { ...second } },
  ];
  return { pipeline: pipelineOf(groups), schedule };
}

/** Hints before they are fitted: the share of ops that get one, and a seed. */
export interface HintsDraw {
  readonly percent: number;
  readonly seed: number;
}

export const anyHints = (): fc.Arbitrary<HintsDraw> =>
  fc.record({ percent: fc.constantFrom(0, 5, 20, 60), seed: fc.nat(1000) });

/** Splits for some of the ops, forward and backward: any factor over any axis, of which illegal ones are ignored. */
function hintFrom(sizes: TrainingDraw['mesh'], { percent, seed }: HintsDraw): Placement['hint'] {
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

function graphsOf(draw: TrainingDraw): Pick<ScenarioOptions, 'step' | 'update' | 'element'> {
  const { batch, logical, sequence, update } = draw;
  if (draw.model === 'mlp') {
    const options = { batch, dim: dimOf(draw), hidden: draw.hidden, layers: draw.layers };
    return mlp({ ...options, update: update ? 'adamw' : 'none' });
  }
  const made = languageModel(modelOf(draw), { microbatches: logical, batch, sequence });
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
  const { layers, heads, group, hidden, vocab, tied, experts, sequence } = draw;
  const common = { layers, dim: dimOf(draw), hidden, vocab, context: sequence };
  if (draw.model === 'gpt') return new GPT({ ...common, heads, dropout: draw.dropout ? 0.3 : 0 });
  const grouped = { ...common, heads: heads * group, kv_heads: heads };
  if (draw.model === 'llama') return new Llama({ ...grouped, tied });
  return new Mixtral({ ...grouped, experts, choices: Math.min(2, experts) });
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
