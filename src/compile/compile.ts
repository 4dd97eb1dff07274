/**
 * The compiler: model + optimizer + plan → the program of all ranks, or of it the class that one rank runs.
 *
 *   trace ▶ autodiff ▶ precision      here
 *   partition, buckets ▶ check        place_classes.ts
 *   lower ▶ addresses ▶ fold          lower_groups.ts
 */
import { GraphBuilder } from '../ir/builder.js';
import type { Graph } from '../ir/graph.js';
import type { OpRegistry } from '../ir/op.js';
import { printGraph } from '../ir/print.js';
import { inRole } from '../ir/role.js';
import { elementsOf } from '../ir/type.js';
import type { LanguageModel } from '../nn/language_model.js';
import {
  traceLogits,
  traceModel,
  type Documents,
  type TracedModel,
  type TracedParameter,
  type TracedTerm,
  type TraceShape,
} from '../nn/trace.js';
import type { AdamW } from '../optim/options.js';
import { buildUpdate, type ExactNorm, type UpdateRecipe } from '../optim/update.js';
import { eliminateDeadCode } from '../passes/eliminate_dead_code.js';
import { exactSums, type SummedBatch } from '../passes/exact_sums.js';
import { applyPrecision } from '../passes/precision.js';
import { traceTraining, type TracedTraining } from '../passes/trace_training.js';
import { gradientDtypeOf } from '../plan/gradient_dtype.js';
import type { OrderFault } from '../plan/diagnostics.js';
import { groupOfChunks, logicalMicrobatchesOf, meshesOf, sequencesOf, type Plan } from '../plan/plan.js';
import { tableOf } from '../plan/plan_schedule.js';
import { planOfOneMicrobatch, ranksOfOneMicrobatch } from '../plan/reproducible.js';
import { forwardOnly } from '../schedule/forward_only.js';
import type { ScheduleTable } from '../schedule/slot.js';
import { lowerGroups, type LoweredProgram } from '../lower/lower_groups.js';
import { persistentBytes } from '../lower/persistent_bytes.js';
import { orderFault } from '../partition/stored_order.js';
import { stepFactors } from '../partition/placement.js';
import type { ChosenGraphs } from '../partition/place_graphs.js';
import { ranksOf } from '../program/ranks.js';
import { placeClasses, type GraphOptions } from './place_classes.js';

export interface CompiledProgram {
  /** With all classes, or that of one rank alone. */
  readonly program: LoweredProgram;
  /** By group of these classes: what its ranks keep between steps, of the rank that keeps most. */
  readonly persistentBytes: ReadonlyMap<number, number>;
  /** What `explain` prints. */
  readonly placed: ChosenGraphs;
  readonly parameters: readonly TracedParameter[];
}

export interface CompiledTraining extends CompiledProgram {
  /** Parameters through which no gradient of the loss flows: they stay as they are, and have no state of the optimizer. */
  readonly unusedParameters: readonly string[];
  /** What is trained on beside the loss. */
  readonly terms: readonly TracedTerm[];
  /** What keeps sequences in their own order, where the plan asks for another; else null. */
  readonly orderFault: OrderFault | null;
}

/** `rank`: a global rank; its class alone is written, the same as in the program of all. Null or absent: all classes. */
export type ClassOptions = GraphOptions & { readonly rank?: number | null };

export type CompileOptions = Omit<ClassOptions, 'choices'> & {
  readonly model: LanguageModel;
  /** Tokens in a sequence. */
  readonly sequence: number;
  /** How documents lie in it; `packed` where absent. */
  readonly documents?: Documents;
};

/** A training step before any plan is applied but the sizes of its microbatches and its precision. */
export interface TrainingGraphs extends Pick<CompiledTraining, 'parameters' | 'unusedParameters' | 'terms'> {
  /** Forward and backward of one scheduled microbatch. */
  readonly step: Graph;
  readonly update: UpdateRecipe;
  /** Of a reproducible plan, where ranks share a logical microbatch: the step of one alone. */
  readonly ofOneMicrobatch: Graph | null;
}

export type TrainingOptions = CompileOptions & { readonly optimizer: AdamW };

/** Traces and differentiates: the same graphs serve all plans of one batch and precision. */
export function trainingGraphs(options: TrainingOptions): TrainingGraphs {
  const { optimizer, registry, plan } = options;
  const { step, parameters, unusedParameters, terms } = tracedStep(options);
  const unused = parameters.filter(({ name }) => unusedParameters.includes(name));
  const exact = plan.reproducible ? exactNorm(options, parameters) : null;
  const update: UpdateRecipe = (updated) =>
    withSums(withUnused(buildUpdate(updated, optimizer, exact), registry, unused), registry, step);
  const ofOneMicrobatch = ofOne(options, (one) => tracedStep(one).step);
  return { step, update, parameters, unusedParameters, terms, ofOneMicrobatch };
}

function tracedStep(options: CompileOptions): TracedTraining & { readonly step: Graph } {
  const traced = traceTraining(options.model, shapeOf(options), (pass, graph) =>
    options.observe?.(pass, () => printGraph(graph)),
  );
  return { ...traced, step: typedOf(traced.graph, options) };
}

/** What `trace` gives for one logical microbatch of a reproducible plan, where ranks share it; else null. */
function ofOne(options: CompileOptions, trace: (options: CompileOptions) => Graph): Graph | null {
  const plan = options.plan.reproducible ? planOfOneMicrobatch(options.plan) : null;
  return plan && trace({ ...options, plan, observe: undefined });
}

/**
 * The training step: forward, backward, update. Results of a step: `loss_sum`, `tokens`, the sum of each term, `gradient_norm`, `skipped`.
 */
export function compileTraining(
  options: TrainingOptions,
  graphs: TrainingGraphs = trainingGraphs(options),
): CompiledTraining {
  const { step, update, unusedParameters, terms, ofOneMicrobatch } = graphs;
  const { plan } = options;
  const fault = orderFault(plan, stepFactors(step), meshesOf(plan), step);
  const chosen = { ...options, choices: plan, ofOneMicrobatch };
  return { ...compileGraphs(chosen, graphs, step, update, tableOf(plan)), unusedParameters, terms, orderFault: fault };
}

/** One forward: the cross-entropy (`loss`), summed over the microbatches of a step, or `logits` of each microbatch. */
export function compileForward(options: CompileOptions & { readonly what: 'loss' | 'logits' }): CompiledProgram {
  const { what, plan, registry } = options;
  const { step, ...traced } = tracedForward(options, what);
  const totals: UpdateRecipe = () => withSums(new GraphBuilder(registry, 'totals').build(), registry, step);
  return compileGraphs(
    {
      ...options,
      choices: what === 'loss' ? plan.validation : undefined,
      choicesIn: 'validation',
      ofOneMicrobatch: ofOne(options, (one) => tracedForward(one, what).step),
    },
    traced,
    step,
    what === 'loss' ? totals : null,
    forwardOnly(groupOfChunks(plan), plan.schedule.microbatches),
  );
}

function tracedForward(options: CompileOptions, what: 'loss' | 'logits'): TracedModel & { readonly step: Graph } {
  const trace = what === 'loss' ? traceModel : traceLogits;
  const traced = trace(options.model, { ...shapeOf(options), training: false });
  options.observe?.('trace', () => printGraph(traced.graph));
  // What is trained on besides, such as routers' balance, has no part in it.
  const graph = eliminateDeadCode(traced.graph);
  options.observe?.('eliminate_dead_code', () => printGraph(graph));
  return { ...traced, step: typedOf(graph, options) };
}

/** Compiles any step graph and update: for tests, and for steps that are no language model's. */
export function compileGraphs(
  options: ClassOptions,
  { parameters }: Pick<TracedModel, 'parameters'>,
  step: Graph,
  update: UpdateRecipe | null,
  table: ScheduleTable,
): CompiledProgram {
  const { placed, requests } = placeClasses(options, { parameters }, step, update, table);
  const { rank = null } = options;
  const own = rank === null ? requests : requests.filter((request) => ranksOf(request.groups, request).includes(rank));
  if (own.length === 0) throw new Error(`the plan has no rank ${rank}`);
  const program = lowerGroups(options, own);
  return { program, persistentBytes: persistentBytes(requests, program.classes), placed, parameters };
}

function shapeOf({ plan, sequence, documents }: CompileOptions): TraceShape {
  const dtype = plan.precision.master;
  return { microbatches: plan.batch.logical_microbatches, batch: plan.batch.sequences, sequence, dtype, documents };
}

/** The step in the element types of the plan, those of its sums included. */
function typedOf(graph: Graph, options: CompileOptions): Graph {
  const { plan, registry, sequence, observe } = options;
  const { compute } = plan.precision;
  const gradients = gradientDtypeOf(plan.precision) === compute ? 'compute' : 'master';
  const typed = compute === 'bf16' ? applyPrecision(graph, registry, compute, gradients) : graph;
  observe?.('precision', () => printGraph(typed));
  const exact = plan.reproducible ? exactSums(typed, registry, summedBatchOf(plan, sequence)) : typed;
  observe?.('exact_sums', () => printGraph(exact));
  return exact;
}

const summedBatchOf = (plan: Plan, sequence: number): SummedBatch => ({
  microbatches: logicalMicrobatchesOf(plan),
  tokens: plan.batch.sequences * sequence,
  ranks: ranksOfOneMicrobatch(plan),
});

const exactNorm = ({ plan, sequence }: CompileOptions, parameters: readonly TracedParameter[]): ExactNorm => ({
  tokens: sequencesOf(plan) * sequence,
  elements: parameters.reduce((n, { type }) => n + elementsOf(type), 0),
});

/** Parameters that nothing updates are stored all the same: they belong to the model's checkpoints. */
function withUnused(update: Graph, registry: OpRegistry, unused: readonly TracedParameter[]): Graph {
  const builder = GraphBuilder.resume(registry, update);
  for (const { name, type } of unused) builder.input(name, 'parameter', type);
  return builder.build();
}

/** Adds what the step counts, its loss and the like, to an update graph: summed over all ranks, they are results of the step. */
function withSums(update: Graph, registry: OpRegistry, step: Graph): Graph {
  const builder = GraphBuilder.resume(registry, update);
  for (const { role, value } of step.outputs) {
    if (role.kind !== 'result') continue;
    const known = inRole(update.inputs, role);
    builder.output(role, known ? builder.tensor(known.value) : builder.take(role, step.values[value].type));
  }
  return builder.build();
}
