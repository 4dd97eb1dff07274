/**
 * The compiler: model + optimizer + plan → the program of all ranks.
 *
 *   trace ▶ autodiff ▶ precision ▶ partition ▶ check ▶ lower ▶ place in memory
 */
import { checkPlacement } from '../partition/check.js';
import { defaultCosts, type PartitionCosts } from '../partition/costs.js';
import { fuseEinsumAdd } from '../partition/fuse_einsum_add.js';
import { printBuckets } from '../partition/print_buckets.js';
import { partition, type Placement } from '../partition/partition.js';
import { printPlaced, type PlacedGraph } from '../partition/placed.js';
import { homesOf, segmentStages, stepPlacement, updatePlacement } from '../partition/placement.js';
import { GraphBuilder } from '../ir/builder.js';
import { printGraph } from '../ir/print.js';
import type { Graph } from '../ir/graph.js';
import type { OpRegistry } from '../ir/op.js';
import type { TensorType } from '../ir/type.js';
import type { LanguageModel } from '../nn/language_model.js';
import { traceLogits, traceModel, type TracedModel, type TracedParameter, type TraceShape } from '../nn/trace.js';
import type { AdamW } from '../optim/adamw.js';
import { buildUpdate, gradientName, type UpdatedParameter, type UpdateRecipe } from '../optim/update.js';
import { bucketNamed, bucketsOf, ofMember, type Bucket } from '../partition/buckets.js';
import { castByStage } from '../passes/cast_by_stage.js';
import { splitSumsByStage, type SplitSums } from '../passes/split_sums.js';
import { traceTraining } from '../passes/trace_training.js';
import { applyPrecision } from '../passes/precision.js';
import type { Plan } from '../plan/plan.js';
import { meshOf } from '../plan/plan.js';
import { meshRanks, type Coordinates } from '../ir/mesh.js';
import { scheduleTable, type Slot } from '../schedule/table.js';
import { sumNotRead } from './diagnostics.js';
import { exchangesOf, exchangeSizes, rankClasses } from './classes.js';
import { edgesOf, messageSizes } from './edges.js';
import { referenceKernels, type KernelChooser } from './kernel_choice.js';
import { lowerClass, type LoweredClass } from './lower_class.js';
import type { PlanMemoryOptions } from './memory/index.js';
import { nativeKernels } from './native_kernels.js';
import { printMemory } from './print_memory.js';
import { printProgram } from './print.js';
import { printSections } from './print_sections.js';
import type { Program, Stage } from './program.js';
import { unfold } from './unroll.js';

export type Target = 'native' | 'reference';

export interface CompiledProgram {
  readonly program: Program & { readonly classes: readonly LoweredClass[] };
  /** The step graph and, where there is one, the update graph, placed: what `explain` prints. */
  readonly placed: { readonly step: PlacedGraph; readonly update: PlacedGraph | null };
  readonly parameters: readonly TracedParameter[];
  /** The parameters that are updated together. */
  readonly buckets: readonly Bucket[];
}

export interface CompileOptions {
  readonly model: LanguageModel;
  readonly plan: Plan;
  /** Tokens in a sequence. */
  readonly sequence: number;
  readonly registry: OpRegistry;
  readonly target: Target;
  readonly costs?: PartitionCosts;
  /** Fixes splits of ops of the step; where it gives null the partitioner chooses. */
  readonly hint?: Placement['hint'];
  /** Those of the program whose parameters this one shares; absent: by the gradients that the step gives. */
  readonly buckets?: readonly Bucket[];
  /** How long memory planning may search, where the default is too long. */
  readonly memory?: PlanMemoryOptions;
  /** Shown what each pass leaves, by the pass's name in `architecture.js`; the text is made only where it is asked for. */
  readonly observe?: (pass: PassName, print: () => string) => void;
}

/** The points at which `--dump-ir=after:NAME` can look. */
export const passNames = [
  'trace',
  'autodiff',
  'eliminate_dead_code',
  'precision',
  'cast_by_stage',
  'split_sums',
  'partition',
  'fuse_einsum_add',
  'buckets',
  'hoist',
  'lower',
  'assign_memory',
  'fold',
] as const;
export type PassName = (typeof passNames)[number];

/** The training step: forward, backward, update. Results of a step: `loss_sum`, `tokens`, `gradient_norm`, `skipped`. */
export function compileTraining(options: CompileOptions & { readonly optimizer: AdamW }): CompiledProgram {
  const { model, optimizer, plan, registry } = options;
  const traced = traceTraining(model, shapeOf(options), (pass, graph) =>
    options.observe?.(pass, () => printGraph(graph)),
  );
  const step = precisionOf(traced.graph, options);
  const update: UpdateRecipe = (parameters) => withLoss(buildUpdate(parameters, optimizer), registry, step);
  return compileGraphs(options, traced, step, update, trainingSlots(plan));
}

/** One forward: `loss`, summed over the microbatches of a step, or `logits` of each microbatch. */
export function compileForward(options: CompileOptions & { readonly what: 'loss' | 'logits' }): CompiledProgram {
  const trace = options.what === 'loss' ? traceModel : traceLogits;
  const traced = trace(options.model, { ...shapeOf(options), training: false });
  options.observe?.('trace', () => printGraph(traced.graph));
  const step = precisionOf(traced.graph, options);
  const totals: UpdateRecipe = () =>
    withLoss(new GraphBuilder(options.registry, 'totals').build(), options.registry, step);
  const update = options.what === 'loss' ? totals : null;
  return compileGraphs(options, traced, step, update, forwardSlots(options.plan));
}

/** Compiles any step graph and update: for tests, and for steps that are no language model's. */
export function compileGraphs(
  options: Omit<CompileOptions, 'model' | 'sequence'>,
  traced: Pick<TracedModel, 'parameters'>,
  wholeStep: Graph,
  recipe: UpdateRecipe | null,
  slots: readonly (readonly Slot[])[],
): CompiledProgram {
  const { plan, registry, target, observe } = options;
  observe?.('precision', () => printGraph(wholeStep));
  const stageOf = segmentStages(plan);
  const cast = castByStage(wholeStep, registry, stageOf);
  observe?.('cast_by_stage', () => printGraph(cast));
  // Without an update nobody would add the parts.
  const { graph: step, parts } = recipe
    ? splitSumsByStage(cast, registry, stageOf)
    : { graph: cast, parts: new Map<string, readonly string[]>() };
  observe?.('split_sums', () => printGraph(step));
  const meshes = plan.stages.map(meshOf);
  const costs = options.costs ?? defaultCosts(meshes);
  const kernels = target === 'native' ? nativeKernels(registry) : referenceKernels;
  const choose = (graph: Graph, placement: Placement) =>
    partition(graph, registry, placement, costs, { hasKernel: (op) => kernels.has(op) });
  const chosenStep = choose(step, withHint(stepPlacement(plan, step), options.hint));
  const types = new Map<string, TensorType>(traced.parameters.map(({ name, type }) => [name, type]));
  const homes = homesOf(plan, step);
  const whole = new Map([...types].filter(([name]) => !parts.has(gradientName(name))));
  const buckets = options.buckets ?? bucketsOf(plan, chosenStep, homes, whole);
  const update = recipe?.(updatedParameters(traced.parameters, buckets, parts)) ?? null;
  if (update) expectAllRead(step, update, buckets);
  const chosenUpdate = update && choose(update, updatePlacement(plan, chosenStep, homes, types, buckets));
  observe?.('partition', () => printAll(printPlaced, chosenStep, chosenUpdate));
  const placedStep = fuse(chosenStep, registry, kernels);
  const placedUpdate = chosenUpdate && fuse(chosenUpdate, registry, kernels);
  observe?.('fuse_einsum_add', () => printAll(printPlaced, placedStep, placedUpdate));
  observe?.('buckets', () => [printBuckets(buckets), ...(update ? [printGraph(update)] : [])].join('\n\n'));
  observe?.('hoist', () => printSections(placedStep, placedUpdate));
  const stages = stagesOf(plan);
  const edges = [placedStep, placedUpdate].flatMap((graph) => (graph ? edgesOf(graph) : []));
  const classes = stages.flatMap(({ mesh }, stage) => {
    const values = [placedStep, placedUpdate].flatMap((g) => g?.values.filter((value) => value.stage === stage) ?? []);
    const exchanges = exchangesOf(placedUpdate ? [placedStep, placedUpdate] : [placedStep], stage);
    const sizes = (at: Coordinates) =>
      `${messageSizes(stages, edges, stage, at)} ${exchangeSizes(mesh, exchanges, at)}`;
    return rankClasses(mesh, values, sizes).map((members, i) =>
      lowerClass({
        name: `stage ${stage}${i > 0 ? `, class ${i}` : ''}`,
        stage,
        members,
        stages,
        step: placedStep,
        update: placedUpdate,
        buckets: buckets.filter((bucket) => bucket.stage === stage),
        slots: slots[stage],
        registry,
        kernels,
        memory: options.memory,
      }),
    );
  });
  const program = { classes, stages, microbatches: plan.schedule.microbatches };
  observe?.('lower', () => printProgram(unfold(program)));
  observe?.('assign_memory', () => printMemory(program));
  observe?.('fold', () => printProgram(program));
  return {
    program,
    placed: { step: placedStep, update: placedUpdate },
    buckets,
    parameters: traced.parameters,
  };
}

function fuse(chosen: PlacedGraph, registry: OpRegistry, kernels: KernelChooser): PlacedGraph {
  const placed = kernels.has('einsum_add') ? fuseEinsumAdd(chosen, registry) : chosen;
  const [fault] = checkPlacement(placed);
  if (fault) throw fault;
  return placed;
}

/** The step's graph and, where there is one, the update's. */
const printAll = <G>(print: (graph: G) => string, step: G, update: G | null): string =>
  [step, ...(update ? [update] : [])].map(print).join('\n\n');

const withHint = (placement: Placement, hint: Placement['hint'] = placement.hint): Placement => ({
  ...placement,
  hint,
});

/** Throws where the update leaves out a gradient, or a part of one. */
function expectAllRead(step: Graph, update: Graph, buckets: readonly Bucket[]): void {
  const read = new Set(
    update.inputs.flatMap(({ name }) => {
      const bucket = bucketNamed(buckets, name);
      return bucket ? bucket.members.map((member) => ofMember(name, bucket, member)) : [name];
    }),
  );
  const unread = step.outputs.find(({ name }) => name.startsWith(gradientName('')) && !read.has(name));
  if (unread) throw sumNotRead({ name: unread.name });
}

/** What the update updates: buckets, and by themselves the parameters that are in none. */
function updatedParameters(
  parameters: readonly TracedParameter[],
  buckets: readonly Bucket[],
  contributions: SplitSums['parts'],
): readonly UpdatedParameter[] {
  const packed = new Set(buckets.flatMap(({ members }) => members.map(({ name }) => name)));
  const alone = parameters.filter(({ name }) => !packed.has(name));
  return [
    ...buckets,
    ...alone.map(({ name, type }) => ({ name, type, contributions: contributions.get(gradientName(name)) })),
  ];
}

function forwardSlots(plan: Plan): readonly (readonly Slot[])[] {
  const slots = Array.from({ length: plan.schedule.microbatches }, (_, microbatch) => ({
    direction: 'forward' as const,
    microbatch,
  }));
  return plan.stages.map(() => slots);
}

function trainingSlots(plan: Plan): readonly (readonly Slot[])[] {
  return scheduleTable(plan.schedule.kind, plan.stages.length, plan.schedule.microbatches);
}

function shapeOf({ plan, sequence }: CompileOptions): TraceShape {
  const dtype = plan.precision.master;
  return { microbatches: plan.batch.logical_microbatches, batch: plan.batch.sequences, sequence, dtype };
}

function precisionOf(graph: Graph, { plan, registry }: CompileOptions): Graph {
  return plan.precision.compute === 'bf16' ? applyPrecision(graph, registry, 'bf16') : graph;
}

/** Adds the step's loss and token count to an update graph: summed over all ranks, they are results of the step. */
function withLoss(update: Graph, registry: OpRegistry, step: Graph): Graph {
  const builder = GraphBuilder.resume(registry, update);
  for (const name of ['loss_sum', 'tokens']) {
    const sum = step.outputs.find((output) => output.name === name);
    if (!sum) continue;
    const known = update.inputs.find((input) => input.name === name);
    const tensor = known ? builder.tensor(known.value) : builder.input(name, 'value', step.values[sum.value].type);
    builder.output(name, tensor);
  }
  return builder.build();
}

function stagesOf(plan: Plan): readonly Stage[] {
  let firstRank = 0;
  return plan.stages.map((stage) => {
    const mesh = meshOf(stage);
    const made = { mesh, firstRank };
    firstRank += meshRanks(mesh);
    return made;
  });
}
