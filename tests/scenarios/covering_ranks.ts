/**
 * Training steps for two, three and four real processes in which any two settings of a plan meet that can. What they leave tells the gradients
 * under any ZeRO stage: descent, whose rate is so great that of a new weight nothing but its gradient is left.
 */
import { applyPrecision } from '../../src/passes/precision.js';
import { contextMethods } from '../../src/plan/context_methods.js';
import { zeroStages } from '../../src/plan/plan.js';
import { scheduleKind, scheduleKinds } from '../../src/schedule/kinds.js';
import { ops } from '../../src/ops/index.js';
import { trainingScenario, type TrainingDraw } from '../arbitraries/training.js';
import { coveringRows, type Row } from '../laws/covering_pairs.js';
import { least } from '../laws/simpler.js';
import { descent } from './descent.js';
import { uniform, type Scenario, type ScenarioOptions, type Values } from './scenario.js';

/** Processes of a job. */
export const worldSizes = [2, 3, 4] as const;

const sizes = [1, 2, 3] as const;
export const coveringSettings = {
  data: sizes,
  tensor: sizes,
  context: sizes,
  pipeline: sizes,
  method: contextMethods,
  sequence: ['whole over tensor', 'split over tensor'],
  experts: ['none', 'over data', 'over context', 'over tensor'],
  zero: zeroStages,
  schedule: [...scheduleKinds.keys()],
} as const;

export type CoveringRow = Row<typeof coveringSettings>;

export const ranksOfRow = ({ data, tensor, context, pipeline }: CoveringRow): number =>
  data * tensor * context * pipeline;

/** On as many processes as there may be, of one group or of as many as the model has segments for; one group needs no schedule of several chunks. */
export const isLegal = (row: CoveringRow): boolean => {
  if (row.pipeline === 1 && !['gpipe', '1f1b'].includes(row.schedule)) return false;
  const legs = scheduleKind(row.schedule).virtualStages;
  const chunks = row.pipeline * ('exactly' in legs ? legs.exactly : legs.least);
  return ([2, 3, 4] as number[]).includes(ranksOfRow(row)) && chunks <= 4;
};

export const coveringRanks: readonly CoveringRow[] = coveringRows(coveringSettings, isLegal);

/** Of these rows few in which each value of each setting is. What a router chooses a rounding may choose otherwise: that is another function. */
export function fewRows(): readonly CoveringRow[] {
  const met = new Set<string>();
  return coveringRanks.filter((row) => {
    if (row.experts !== 'none') return false;
    const fresh = Object.entries(row)
      .map(([name, value]) => `${name} ${value}`)
      .filter((one) => !met.has(one));
    for (const one of fresh) met.add(one);
    return fresh.length > 0;
  });
}

const rate = 1e4;

/** Odd sizes, and more microbatches than stages. */
function drawOf(
  { data, tensor, context, pipeline, method, sequence, experts, zero, schedule }: CoveringRow,
  i: number,
) {
  const mesh = { data, tensor, context };
  return {
    ...least[0],
    model: experts === 'none' ? (['gpt', 'llama'] as const)[i % 2] : 'mixtral',
    layers: 2,
    heads: 4,
    headDim: 3,
    hidden: 9,
    vocab: 11,
    experts: 4,
    zLoss: true,
    tied: true,
    dropout: i % 3 === 0,
    sequence: experts === 'over context' ? 6 : 5,
    batch: 3,
    logical: 2,
    microbatches: 3,
    meshes: Array.from({ length: pipeline }, () => mesh),
    schedule,
    dataSplits: i % 2 === 0 ? 'microbatch' : 'batch',
    expertsOverData: experts === 'over data',
    expertsOverContext: experts === 'over context',
    tokenGroups: experts === 'over context' ? 3 : 0,
    contextMethod: method,
    headTail: i % 3 !== 0,
    sequenceParallel: sequence === 'split over tensor',
    zero,
    zeroOverContext: i % 2 === 1,
    reshards: i % 3 === 1 ? 'segment and direction' : 'microbatch',
    again: [i % 4 === 1 ? 'all' : 'nothing', 'backward'],
    update: true,
    whim: 1,
  } satisfies TrainingDraw;
}

/** A row as a step in f32. */
export function stepInF32(row: CoveringRow, i: number, more: Partial<TrainingDraw> = {}): ScenarioOptions {
  const draw: TrainingDraw = { ...drawOf(row, i), ...more };
  const made = trainingScenario(draw, undefined, 'f32');
  return {
    ...made,
    update: descent('f32', rate),
    // Products of rows of so many elements stay of the size of one.
    element: (input, index, microbatch) =>
      input.kind === 'parameter'
        ? (2 * uniform(`${input.name} ${index}`) - 1) * Math.sqrt(3 / (draw.heads * draw.headDim)) +
          (/norm\w*\.weight$/.test(input.name) ? 1 : 0)
        : made.element!(input, index, microbatch),
  };
}

/** The same step computed in bf16, its weights and the sums of their gradients in f32. */
export const inBf16 = (options: ScenarioOptions): ScenarioOptions => ({
  ...options,
  step: applyPrecision(options.step, ops, 'bf16'),
});

/** The loss and the gradients that led to what a step leaves. */
export function gradientsOf(inputs: Scenario['inputs'], left: Values): Values {
  const labels = inputs.labels as readonly Float64Array[];
  const tokens = labels.reduce((sum, one) => sum + one.filter((label) => label >= 0).length, 0);
  return Object.fromEntries(
    Object.entries(left).map(([name, after]) => {
      const before = inputs[name];
      return before instanceof Float64Array
        ? [`gradient.${name}`, after.map((x, i) => ((before[i] - x) * tokens) / rate)]
        : [name, after];
    }),
  );
}
