/** What a plan comes to: every reshard with the op that asked for it, and where memory goes. `explanation_text.ts` tells it. */
import { communicationOf, isLocal } from '../reshard/index.js';
import { printLayout } from '../ir/layout.js';
import type { DiagnosticError } from '../ir/diagnostic.js';
import { dtypeBytes } from '../ir/dtype.js';
import { factorsOf, namesOf, printType } from '../ir/type.js';
import { wireBytes } from '../cost/index.js';
import type { Checkpoint } from '../checkpoint/index.js';
import { ops } from '../ops/index.js';
import { expectState } from '../run/load_state.js';
import type { RunFolder } from '../run/folder.js';
import { identifyModel, modelDifferencesOf } from '../run/model_identity.js';
import type { ModelRecord } from '../run/record.js';
import { stateOf } from '../run/state.js';
import { bucketOfRole, type Bucket } from '../partition/buckets.js';
import { elementsFactor } from '../partition/packing.js';
import type { PlacedGraph, PlacedId } from '../partition/placed.js';
import { workByGroup, type GroupWork } from '../partition/work.js';
import type { LanguageModel } from '../nn/language_model.js';
import { checkPlan } from '../plan/check_plan.js';
import { describeModel } from '../plan/describe_model.js';
import { ranksOf, type Plan } from '../plan/plan.js';
import type { LoweredClass } from '../lower/lower_class.js';
import { choosePlan, planForConfig } from './choose_plan.js';
import { memoryByKind, type MemoryByKind } from './memory/by_kind.js';
import { orderNotice } from './order_notice.js';
import { programBytes } from './memory/forecast.js';
import { hostMemory, type HostMemory } from './memory/host_memory.js';
import { compileRun, type RunRequest } from './compile_run.js';
import { endable } from './endable.js';
import { explainChoices, type ExplainedAssignment } from './explain_choices.js';
import { loadModel } from '../config/load_model.js';
import { targetOf } from './device.js';
import type { TrainConfig } from '../config/schema.js';
import type { ResolvedConfig } from '../config/resolve.js';

/** One reshard, or one edge between groups. */
export interface ExplainedReshard {
  /** The op that asked for it, and its place in the model. */
  readonly askedBy: string;
  readonly kind: string;
  readonly value: string;
  /** Of a bucket: the parameters in it. */
  readonly members: readonly string[];
  readonly from: string;
  readonly to: string;
  /** Bytes on one rank's wire each time. */
  readonly bytes: number;
  /** How often in a step. */
  readonly times: number;
}

export interface ExplainedClass {
  readonly name: string;
  readonly ranks: number;
  readonly arenaBytes: number;
  /** The largest sum of bytes alive at once. */
  readonly liveBytes: number;
  /** Of `arenaBytes`, when it is fullest. */
  readonly byKind: MemoryByKind;
}

/** A checkpoint whose tensors are those of the explained step. */
export interface ExplainedCheckpoint {
  readonly step: number;
  readonly tokens: number;
  readonly tensors: number;
  readonly bytes: number;
}

/** Of all ranks on one machine. */
export interface ExplainedMemory {
  readonly ranks: number;
  /** With their runtime. */
  readonly bytes: number;
  readonly host: HostMemory;
}

export interface Explanation {
  readonly plan: Plan;
  /** How the model is not the one that the run has trained, which `resume` and `generate` refuse; none of a configuration. */
  readonly modelDifferences: readonly string[];
  /** Null where none was asked for. */
  readonly checkpoint: ExplainedCheckpoint | null;
  /** What the plan left open. */
  readonly choices: readonly ExplainedAssignment[];
  readonly reshards: readonly ExplainedReshard[];
  readonly classes: readonly ExplainedClass[];
  /** Whether all ranks would fit into this machine's memory, by the forecast that a run is refused by; null on a GPU, which says when opened. */
  readonly memory: ExplainedMemory | null;
  /** Of forward and backward of one scheduled microbatch, by group. */
  readonly work: readonly GroupWork[];
  /** Whether sequences are stored so that each rank has a run of the head and one of the tail. */
  readonly isHeadTail: boolean;
  /** What the plan says for nothing, as the step shows; null: nothing. */
  readonly inOrder: DiagnosticError | null;
}

/** A plan that takes the place of the one that the configuration asks for. */
export interface GivenPlan {
  readonly plan: Plan;
  readonly file: string;
  /** It is the run's own: made for its model and batch, of which the configuration need not know the vocabulary. */
  readonly ofRun: boolean;
}

export interface ExplainRequest {
  readonly given?: GivenPlan;
  /** The run whose configuration it is: its tokenizer decides the vocabulary, and its model is compared. */
  readonly run?: RunFolder | null;
  readonly observe?: RunRequest['observe'];
  /** Checked to fit. */
  readonly checkpoint?: Checkpoint | null;
}

/**
 * Compiles a configuration's training step for this machine's device, without data or engine. Throws `plan/…`, `checkpoint/tensors-differ` and the
 * compiler's diagnostics.
 */
export function explain(
  resolved: ResolvedConfig,
  { given, run = null, observe, checkpoint = null }: ExplainRequest = {},
): Explanation {
  const { config } = resolved;
  const before = run?.readRecord().model ?? null;
  const model = loadModel(resolved, config.model.vocab ?? vocabOf(before) ?? config.data.tokenizer.vocab);
  const plan = given ? checked(given, config, model) : choosePlan(config, model, null);
  const modelDifferences = run && before ? modelDifferencesOf(run, before, identifyModel(model, config)) : [];
  const asked = given && !given.ofRun ? { plan: given.file } : config;
  return { ...explainPlan(config, model, plan, { observe, checkpoint, asked }), modelDifferences };
}

/** The vocabulary that a run has come to; null where its record does not say. */
const vocabOf = (before: ModelRecord | null): number | null =>
  typeof before?.options.vocab === 'number' ? before.options.vocab : null;

function checked({ plan, file, ofRun }: GivenPlan, config: TrainConfig, model: LanguageModel): Plan {
  if (!ofRun) return planForConfig(plan, file, config, model, null);
  checkPlan(plan, describeModel(model), file, { ofRun });
  return plan;
}

function explainPlan(
  config: TrainConfig,
  model: LanguageModel,
  plan: Plan,
  { observe, checkpoint, asked }: Pick<ExplainRequest, 'observe' | 'checkpoint'> & { asked: Pick<TrainConfig, 'plan'> },
): Omit<Explanation, 'modelDifferences'> {
  const optimizer = config.optimizer;
  const target = targetOf(config);
  const { documents } = config.data;
  const request = { model, optimizer, plan, documents, registry: ops, target, rank: null, observe };
  const programs = endable(() => compileRun(request));
  const { training } = programs;
  const ranks = ranksOf(plan);
  const { step, update, buckets, priced } = training.placed;
  const classes: readonly LoweredClass[] = training.program.classes;
  if (checkpoint) expectState(checkpoint, stateOf(training.placed, []));
  return {
    plan,
    checkpoint: checkpoint ? describeCheckpoint(checkpoint) : null,
    choices: explainChoices(priced, ops),
    reshards: [...reshardsOf(step, plan.schedule.microbatches, []), ...(update ? reshardsOf(update, 1, buckets) : [])],
    classes: classes.map((one) => ({
      name: one.name,
      ranks: one.members.length,
      arenaBytes: one.arenaBytes,
      liveBytes: one.liveBytes,
      byKind: memoryByKind(one, step),
    })),
    memory: target === 'cuda' ? null : { ranks, bytes: programBytes(programs, plan, ranks), host: hostMemory() },
    work: workByGroup(step, ops),
    isHeadTail: plan.context_order === 'head_tail' && training.orderFault === null,
    inOrder: orderNotice(training.orderFault, asked),
  };
}

function describeCheckpoint({ manifest, bytes }: Checkpoint): ExplainedCheckpoint {
  const { step, tokens_seen: tokens, tensors } = manifest;
  return { step, tokens, tensors: Object.keys(tensors).length, bytes };
}

/** The buckets that values of a graph are, or belong to: what the graph takes and gives, and what is made of it in between. */
function bucketsByValue({ inputs, outputs, steps, values }: PlacedGraph, buckets: readonly Bucket[]) {
  const found = new Map<PlacedId, Bucket>();
  const put = (id: PlacedId, bucket: Bucket | undefined) => bucket && found.set(id, bucket);
  for (const { role, value } of [...inputs, ...outputs]) put(value, bucketOfRole(buckets, role));
  for (const step of steps.toReversed()) if (step.kind === 'move') put(step.inputs[0], found.get(step.outputs[0]));
  for (const step of steps) {
    const bucket = step.inputs.map((id) => found.get(id)).find((one) => one !== undefined);
    for (const id of step.outputs) if (String(namesOf(values[id].type)) === elementsFactor) put(id, bucket);
  }
  return found;
}

function reshardsOf(graph: PlacedGraph, times: number, buckets: readonly Bucket[]): ExplainedReshard[] {
  const bucketOf = bucketsByValue(graph, buckets);
  return graph.steps.flatMap((step): ExplainedReshard[] => {
    if (step.kind !== 'move' && step.kind !== 'transfer') return [];
    const [before, after] = [graph.values[step.inputs[0]], graph.values[step.outputs[0]]];
    const { path, phase } = step.source;
    const reader = graph.steps.find((other) => other.kind === 'op' && other.inputs.includes(after.id));
    const base = {
      members: bucketOf.get(before.id)?.members.map(({ name }) => name) ?? [],
      askedBy: `${reader?.kind === 'op' ? `${reader.op}, ` : ''}${path || 'model'} (${phase})`,
      value: `${before.name.split(' {')[0]} : ${printType(before.type)}`,
      from: printLayout(before.layout, before.type),
      to: printLayout(after.layout, after.type),
      // What lasts a step is made once, by the first microbatch.
      times: after.scope === 'step' ? 1 : times,
    };
    if (step.kind === 'transfer') {
      const kind = `transfer, group ${step.fromGroup} to ${step.group}`;
      const elements = factorsOf(before.type).reduce((n, { size }) => n * size, 1);
      return [{ ...base, kind, bytes: elements * dtypeBytes[before.type.dtype] }];
    }
    const mesh = graph.meshes[step.group];
    const communication = communicationOf(mesh, factorsOf(before.type), step.move, dtypeBytes[before.type.dtype]);
    const kind = `${step.move.kind} over ${step.move.axes.join('*')}`;
    return [{ ...base, kind, bytes: isLocal(step.move) ? 0 : wireBytes(communication) }];
  });
}
