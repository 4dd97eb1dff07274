/**
 * Every field of a plan, wrong in every way that it can be: one error each, which names the field and the nearest legal value. The table
 * is held against the schema, so that a new field without its rows fails.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { DiagnosticError } from '../ir/diagnostic.js';
import { GPT, Llama, Mixtral } from '../nn/models/index.js';
import { readScheduleFile } from '../schedule/file.js';
import { checkPlan } from './check_plan.js';
import { describeModel } from './describe_model.js';
import { planOfSizes, type ParallelSizes } from './parallel_sizes.js';
import { parsePlan, planSchema } from './parse_plan.js';
import { ranksOf, type Plan } from './plan.js';

const model = describeModel(new GPT({ layers: 2, dim: 8, heads: 4, hidden: 6, context: 4, vocab: 7 }));
const sizes: ParallelSizes = {
  data_parallel_size: 2,
  tensor_parallel_size: 2,
  pipeline_parallel_size: 2,
  activation_checkpoint: 'full',
};
const plan = planOfSizes(sizes, 8, model, { sequences: 4, microbatch: 1 }, { compute: 'f32', master: 'f32' });

type Json = Record<string, unknown>;

/** The plan with another value at a path; `undefined` leaves the field out. */
function withField(path: string, value: unknown): Json {
  const changed = structuredClone(plan) as unknown as Json;
  const names = path.split('.');
  const at = names.slice(0, -1).reduce<Json>((inner, name) => inner[name] as Json, changed);
  at[names[names.length - 1]] = value;
  return changed;
}

/** The error of a plan, from reading it or from holding it against the model. */
function errorOf(json: unknown): DiagnosticError {
  try {
    checkPlan(parsePlan(JSON.stringify(json), 'plan.json'), model, 'plan.json');
  } catch (error) {
    return error as DiagnosticError;
  }
  throw new Error('the plan was accepted');
}

function refusalOf(work: () => unknown): DiagnosticError | null {
  try {
    work();
    return null;
  } catch (error) {
    return error as DiagnosticError;
  }
}

test('the plan that the rows change is legal', () => {
  expect(() => checkPlan(parsePlan(JSON.stringify(plan), 'plan.json'), model, 'plan.json')).not.toThrow();
});

type Row = readonly [field: string, value: unknown, code: string, fix: string | RegExp];

const wrongType: readonly Row[] = [
  ['flotilla_plan', undefined, 'plan/invalid', 'set it to 2'],
  ['model', 'gpt', 'plan/invalid', /^copy the plan.json of a run of this model/],
  ['model', undefined, 'plan/invalid', /^copy the plan.json of a run of this model/],
  ['model.name', 3, 'plan/invalid', 'set it to "3"'],
  ['model.hash', null, 'plan/invalid', /^copy the plan.json of a run of this model/],
  ['groups', [], 'plan/invalid', 'set it to {"g0":{"mesh":{"data":2}}}'],
  ['groups.g0', [], 'plan/invalid', 'set it to {"mesh":{"data":2,"tensor":1}}'],
  ['groups.g0.mesh', [2], 'plan/invalid', 'set it to {"data":2,"tensor":1}'],
  ['groups.g0.mesh.data', '2', 'plan/invalid', 'set it to 2'],
  ['chunks', {}, 'plan/invalid', /^set it to \[\{"segments":\["embedding"/],
  ['chunks.0', [], 'plan/invalid', /^set it to \{"segments":\["embedding"/],
  ['chunks.0.segments', 'embedding', 'plan/invalid', 'set it to ["embedding","blocks.0","head"]'],
  ['chunks.0.segments.0', 7, 'plan/invalid', 'set it to "7"'],
  ['chunks.0.on', 0, 'plan/invalid', 'set it to "g0"'],
  ['schedule', null, 'plan/invalid', 'set it to {"kind":"gpipe","microbatches":1,"table":null}'],
  ['schedule.kind', 1, 'plan/invalid', /^set it to "(1f1b|gpipe)"$/],
  ['schedule.microbatches', '8', 'plan/invalid', 'set it to 8'],
  ['schedule.table', '0F0', 'plan/invalid', 'set it to ["0F0 0B0"]'],
  ['schedule.table', [7], 'plan/invalid', 'set it to "0F0 0B0"'],
  ['batch', 4, 'plan/invalid', 'set it to {"logical_microbatches":1,"sequences":1,"padding":0}'],
  ['batch', undefined, 'plan/invalid', /^copy the plan.json of a run of this model/],
  ['batch.logical_microbatches', true, 'plan/invalid', 'set it to 1'],
  ['batch.sequences', {}, 'plan/invalid', 'set it to 1'],
  ['batch.padding', 'none', 'plan/invalid', 'set it to 0'],
  ['split', [], 'plan/invalid', 'set it to {"microbatch":["data"]}'],
  ['split.heads', 'tensor', 'plan/invalid', 'set it to ["data"]'],
  ['split.heads.0', 1, 'plan/invalid', 'set it to "1"'],
  ['bounds', 3, 'plan/invalid', 'set it to {}'],
  ['bounds.heads', '0,2,4', 'plan/invalid', 'set it to [0,2,4]'],
  ['bounds.heads', [0, '2', 4], 'plan/invalid', 'set it to 2'],
  ['scopes', 'full', 'plan/invalid', 'set it to [{"of":"*","made":"again"}]'],
  ['scopes', ['blocks.*'], 'plan/invalid', 'set it to {"of":"*","made":"again"}'],
  ['scopes.0.of', 3, 'plan/invalid', 'set it to "*"'],
  ['scopes.0.made', 1, 'plan/invalid', 'set it to "again"'],
  ['scopes.0.keep', 7, 'plan/invalid', /^set it to "/],
  ['scopes.0.ops', true, 'plan/invalid', /^set it to "(all|cheap)"$/],
  ['context_method', true, 'plan/invalid', /^set it to "(allgather|ulysses|ring)"$/],
  ['context_order', 1, 'plan/invalid', 'set it to "head_tail"'],
  ['zero', 1, 'plan/invalid', 'set it to {"stage":0,"axes":["data"]}'],
  ['zero.stage', '1', 'plan/invalid', 'set it to 1'],
  ['zero.axes', 0, 'plan/invalid', 'set it to ["data"]'],
  ['zero.axes.0', 0, 'plan/invalid', 'set it to "0"'],
  ['zero.reshard_after_forward', 'no', 'plan/invalid', 'set it to true'],
  ['zero.prefetch', '1', 'plan/invalid', 'set it to 1'],
  ['zero.persistence_threshold', '100', 'plan/invalid', 'set it to 100'],
  ['zero.bucket_bytes', [], 'plan/invalid', 'set it to 1'],
  ['zero.reduce_gradients', 1, 'plan/invalid', /^set it to "(each|last)"$/],
  ['precision', 'f32', 'plan/invalid', 'set it to {"compute":"bf16","master":"f32"}'],
  ['precision.compute', 32, 'plan/invalid', /^set it to "(f32|bf16)"$/],
  ['precision.master', false, 'plan/invalid', 'set it to "f32"'],
  ['precision.gradients', 16, 'plan/invalid', 'set it to "bf16"'],
  ['precision.reduce', 16, 'plan/invalid', 'set it to "bf16"'],
  ['reproducible', 'yes', 'plan/invalid', 'set it to true'],
  ['assignments', 'no', 'plan/invalid', 'set it to {}'],
  ['assignments', { 'head/add.0': 'tensor' }, 'plan/invalid', 'set it to {}'],
  ['assignments', { 'head/add.0': { split: 'tensor' } }, 'plan/invalid', 'set it to {"hidden":"tensor"}'],
  ['assignments', { 'head/add.0': { split: { vocab: ['tensor'] } } }, 'plan/invalid', 'set it to "tensor"'],
  ['assignments', { 'head/add.0': { through: { tensor: 0 } } }, 'plan/invalid', 'set it to "x0"'],
  ['reshards', 'no', 'plan/invalid', 'set it to []'],
  ['reshards', [{ on: 'g0', of: '', from: '', to: '', by: [] }], 'plan/invalid', 'set it to 0'],
  [
    'reshards',
    [{ on: 0, of: '', from: '', to: '', by: 'all_gather {}' }],
    'plan/invalid',
    'set it to ["all_reduce {}"]',
  ],
  ['validation', 'no', 'plan/invalid', 'set it to {}'],
  ['chosen_for', 'stage 1', 'plan/invalid', 'set it to {}'],
  ['chosen_for', { 'zero.stage': 1 }, 'plan/invalid', 'set it to "1"'],
  ['predicted', 'much', 'plan/invalid', 'set it to {"peak_bytes":0}'],
  ['predicted', { peak_bytes: 'much' }, 'plan/invalid', 'set it to 0'],
];

const outOfRange: readonly Row[] = [
  ['flotilla_plan', 3, 'plan/version-unknown', 'write the plan again with this version of Flotilla'],
  ['groups', {}, 'plan/contradiction', /^write "groups": /],
  ['chunks', [], 'plan/invalid', /^set it to \[\{"segments"/],
  ['chunks.0.segments', [], 'plan/contradiction', 'give it one, or plan 1 chunk or fewer'],
  ['groups.g0.mesh.data', 0, 'plan/invalid', 'set it to 1'],
  ['groups.g0.mesh.data', 1.5, 'plan/invalid', 'set it to 2'],
  ['schedule.kind', '1b1f', 'plan/invalid', 'set it to "1f1b"'],
  ['schedule.kind', 'Interleaved1F1B', 'plan/invalid', 'set it to "interleaved"'],
  ['schedule.kind', 'ZBVZeroBubble', 'plan/invalid', 'set it to "zb-v"'],
  ['schedule.microbatches', 0, 'plan/invalid', 'set it to 1'],
  ['batch.logical_microbatches', -2, 'plan/invalid', 'set it to 1'],
  ['batch.sequences', 2.4, 'plan/invalid', 'set it to 2'],
  ['batch.padding', -1, 'plan/invalid', 'set it to 0'],
  ['bounds.heads', [0, -2, 4], 'plan/invalid', 'set it to 0'],
  ['bounds.heads', [0, 1.6, 4], 'plan/invalid', 'set it to 2'],
  ['scopes.0.made', 'agian', 'plan/invalid', 'set it to "again"'],
  ['scopes.0.keep', 'backwards', 'plan/invalid', 'set it to "backward"'],
  ['scopes.0.ops', 'cheep', 'plan/invalid', 'set it to "cheap"'],
  ['zero.stage', 4, 'plan/invalid', 'set it to 3'],
  ['zero.prefetch', -1, 'plan/invalid', 'set it to 0'],
  ['zero.persistence_threshold', -1, 'plan/invalid', 'set it to 0'],
  ['zero.bucket_bytes', 0, 'plan/invalid', 'set it to 1'],
  ['precision.compute', 'fp32', 'plan/invalid', 'set it to "f32"'],
  ['precision.master', 'f61', 'plan/invalid', /^set it to "f(64|32)"$/],
  ['precision.gradients', 'f16', 'plan/invalid', 'set it to "bf16"'],
  ['precision.gradients', 'i32', 'plan/invalid', 'set it to "f32"'],
  ['precision.reduce', 'f16', 'plan/invalid', 'set it to "bf16"'],
  ['zero.reduce_gradients', 'once', 'plan/invalid', /^set it to "(each|last)"$/],
  ['context_method', 'ulises', 'plan/invalid', 'set it to "ulysses"'],
  ['context_order', 'headtail', 'plan/invalid', 'set it to "head_tail"'],
  ['predicted', { peak_bytes: -1 }, 'plan/invalid', 'set it to 0'],
];

const unknownName: readonly Row[] = [
  ['shedule', {}, 'plan/invalid', "write 'schedule'"],
  ['model.nam', '', 'plan/invalid', "write 'name'"],
  ['chunks.0.segment', [], 'plan/invalid', "write 'segments'"],
  ['schedule.kinds', '1f1b', 'plan/invalid', "write 'kind'"],
  ['batch.sequence', 2, 'plan/invalid', "write 'sequences'"],
  ['scopes.0.mades', 'again', 'plan/invalid', "write 'made'"],
  ['scopes.0.of', 'block.1', 'plan/unknown-name', "write 'blocks.1'"],
  ['scopes.0.of', 'blokcs.*', 'plan/unknown-name', "write 'blocks.*'"],
  ['scopes.0.of', 'blokcs.*.mlp', 'plan/unknown-name', "write 'blocks.*.mlp'"],
  ['scopes.0.of', 'block.1.mlp', 'plan/unknown-name', "write 'blocks.1.mlp'"],
  ['scopes.0.of', 'layers.*', 'plan/unknown-name', /^use one of 'embedding', /],
  ['zero.stages', 1, 'plan/invalid', "write 'stage'"],
  ['precision.gradient', 'f32', 'plan/invalid', "write 'gradients'"],
  ['precision.computes', 'f32', 'plan/invalid', "write 'compute'"],
  ['predicted', { peak_byte: 1 }, 'plan/invalid', "write 'peak_bytes'"],
  ['validation', { assignment: {} }, 'plan/invalid', "write 'assignments'"],
  ['assignments', { 'head/add.0': { splits: {} } }, 'plan/invalid', "write 'split'"],
  ['batch.colour', 2, 'plan/invalid', 'remove it; the fields here are logical_microbatches, sequences, padding'],
  ['chunks.0.segments', ['embeding', 'blocks.0'], 'plan/unknown-name', "write 'embedding'"],
  ['chunks.1.segments', ['blocks.7', 'head'], 'plan/unknown-name', /^write 'blocks\.[01]'$/],
  ['groups.g0.mesh.2 data', 2, 'plan/invalid', "write 'axis_2_data'"],
  ['groups.g0.mesh.constructor', 2, 'plan/invalid', "write 'own_constructor'"],
  ['split.toString', ['data'], 'plan/invalid', "write 'own_toString'"],
  ['bounds.valueOf', [0, 2, 4], 'plan/invalid', "write 'own_valueOf'"],
  ['split.haeds', ['tensor'], 'plan/unknown-name', "write 'heads'"],
  ['split.heads', ['tensr'], 'plan/unknown-name', "write 'tensor'"],
  ['split.experts', ['tensor'], 'plan/unknown-name', /^use one of /],
  ['bounds.head', [0, 2, 4], 'plan/unknown-name', "write 'heads'"],
  ['groups.g0.meshes', {}, 'plan/invalid', "write 'mesh'"],
  ['groups.2', { mesh: { data: 2 } }, 'plan/invalid', "write 'g2'"],
  ['chunks.1.on', 'g2', 'plan/unknown-name', /^write 'g[01]'$/],
  ['zero.axes', ['dat'], 'plan/unknown-name', "write 'data'"],
  ['zero.axes', ['replicas'], 'plan/unknown-name', "use one of 'data', 'tensor'"],
];

const contradiction: readonly Row[] = [
  ['schedule.kind', 'interleaved', 'plan/contradiction', 'cut the model in 4 chunks, or name another schedule'],
  [
    'schedule.table',
    ['0F0 0B0', '1F0 1B0'],
    'plan/contradiction',
    'set schedule.kind to "table", or schedule.table to null',
  ],
  ['schedule', { kind: 'table', microbatches: 2 }, 'plan/contradiction', /^write the slots of each group/],
  ['groups.g9', { mesh: { data: 2 } }, 'plan/contradiction', /^remove it, or write "on": "g9" in one of/],
  ['zero.axes', ['data', 'data'], 'plan/contradiction', 'write ["data"]'],
  ['zero.prefetch', 2, 'plan/contradiction', 'remove it, or set the stage to 3'],
  ['zero.persistence_threshold', 0, 'plan/contradiction', 'remove it, or set the stage to 3'],
  ['zero.reshard_after_forward', true, 'plan/contradiction', 'remove it, or set the stage to 3'],
  ['chunks.1.segments', ['head'], 'plan/contradiction', 'add it to chunk 1'],
  ['chunks.1.segments', ['blocks.1'], 'plan/contradiction', 'add it to chunk 1'],
  ['chunks.1.segments', ['blocks.0', 'blocks.1', 'head'], 'plan/contradiction', 'leave it in chunk 0 alone, once'],
  ['chunks.1.segments', ['blocks.1', 'head', 'head'], 'plan/contradiction', 'leave it in chunk 1 alone, once'],
  ['chunks.1.segments', ['head', 'blocks.1'], 'plan/contradiction', /^write 'blocks\.1' there/],
  ['groups.g0.mesh.extra', 2, 'plan/contradiction', /^set its size to 1, or split a factor over it/],
  ['batch.padding', 2, 'plan/contradiction', 'set it to 1 or less'],
  ['split.heads', ['tensor', 'tensor'], 'plan/contradiction', 'write ["tensor"]'],
  ['bounds.heads', [0, 4], 'plan/contradiction', 'write 3 boundaries from 0 to 4; even ones are [0,2,4]'],
  ['bounds.heads', [0, 2, 5], 'plan/contradiction', /even ones are \[0,2,4\]$/],
  ['bounds.heads', [1, 2, 4], 'plan/contradiction', /even ones are \[0,2,4\]$/],
  ['bounds.hidden', [0, 7, 6], 'plan/contradiction', /even ones are \[0,3,6\]$/],
  ['bounds.dim', [0, 4, 8], 'plan/contradiction', 'remove bounds.dim, or add split.dim'],
  ['precision.master', 'f64', 'plan/contradiction', 'set it to "f32"'],
  ['precision.compute', 'f64', 'plan/contradiction', 'set it to "f64"'],
  ['precision.gradients', 'f64', 'plan/contradiction', 'set it to "f32", or remove it'],
  ['precision.gradients', 'bf16', 'plan/contradiction', 'set it to "f32", or remove it'],
  ['precision.reduce', 'f64', 'plan/contradiction', 'set it to "bf16" or "f32", or remove it'],
  ['precision.reduce', 'f32', 'plan/contradiction', 'remove it'],
];

describe.each<[string, readonly Row[]]>([
  ['a value of a wrong type', wrongType],
  ['a value out of range', outOfRange],
  ['an unknown name', unknownName],
  ['a contradiction', contradiction],
])('%s', (_, rows) => {
  test.each(rows)('%s = %j', (field, value, code, fix) => {
    const error = errorOf(withField(field, value));
    expect(error.code).toBe(code);
    expect(error.message.split('\n').length).toBeLessThan(6);
    if (fix instanceof RegExp) expect(error.diagnostic.fix).toMatch(fix);
    else expect(error.diagnostic.fix).toBe(fix);
    // The message says where: the file, and the field or one above or below it.
    const told = error.diagnostic.where!.map(({ at, note }) => `${at}, ${note ?? ''}`).join();
    expect(told).toContain('plan.json');
    expect(told).toContain(field.split('.')[0]);
  });
});

test('the table has every field of the schema: each of a wrong type, and each number and choice out of range', () => {
  const leaves = (schema: z.core.$ZodType, path: string): readonly (readonly [string, z.core.$ZodType])[] => {
    if (schema instanceof z.ZodDefault || schema instanceof z.ZodNullable) return leaves(schema.unwrap(), path);
    const inner = (below: z.core.$ZodType, name: string) => leaves(below, path ? `${path}.${name}` : name);
    if (schema instanceof z.ZodObject) {
      const fields = Object.entries(schema.shape).flatMap(([name, field]) => inner(field as z.core.$ZodType, name));
      return path ? [[path, schema], ...fields] : fields;
    }
    if (schema instanceof z.ZodArray) return [[path, schema], ...inner(schema.element, '*')];
    if (schema instanceof z.ZodRecord) return [[path, schema], ...inner(schema.valueType, '*')];
    return [[path, schema]];
  };
  const all = leaves(planSchema, '');
  /** What a row changes, as a pattern: a value inside the one that is given is meant where only that is wrong. */
  const hit = (rows: readonly Row[], pattern: string) =>
    rows.some(([field, value]) => {
      const paths = [field, ...insides(value).map((inside) => `${field}.${inside}`)];
      return paths.some((path) => matches(pattern, path));
    });
  const missing = all.filter(([path]) => !hit(wrongType, path)).map(([path]) => path);
  expect(missing).toEqual([]);
  const ranged = all.filter(([, schema]) => schema instanceof z.ZodNumber || schema instanceof z.ZodEnum);
  expect(ranged.map(([path]) => path).filter((path) => !hit(outOfRange, path))).toEqual([]);
  const objects = all.filter(([, schema]) => schema instanceof z.ZodObject || schema instanceof z.ZodRecord);
  const below = objects.map(([path]) => path).filter((path) => !hit(unknownName, `${path}.*`));
  expect(below).toEqual([]);
});

const matches = (pattern: string, path: string): boolean => {
  const [wanted, given] = [pattern.split('.'), path.split('.')];
  return wanted.length === given.length && wanted.every((name, i) => name === '*' || name === given[i]);
};

const insides = (value: unknown): readonly string[] =>
  typeof value === 'object' && value !== null ? Object.keys(value) : [];

describe('schedules that a plan writes out', () => {
  const written = (...table: string[]) => errorOf({ ...plan, schedule: { kind: 'table', microbatches: 2, table } });
  test.each([
    ['that waits for itself', ['0F0 0B0 0F1 0B1', '1F0 1F1 1B0 1B1'], /0B0 waits for 1B0 .*1F1 waits for 0F1/],
    ['that skips a slot', ['0F0 0F1 0B0 0B1', '1F0 1B0 1F1'], /lacks 1B1/],
    ['that names an unknown chunk', ['0F0 0F1 0B0 0B1 2F0', '1F0 1B0 1F1 1B1'], /chunk/],
    ['that runs a chunk elsewhere', ['1F0 0F1 0B0 0B1', '0F0 1B0 1F1 1B1'], /another group than its chunk's/],
    ['that cannot be read', ['0F0 0X1', ''], /0X1/],
  ])('%s', (_, table, said) => {
    const error = written(...table);
    expect(error.code).toMatch(/^schedule\//);
    expect(error.message).toMatch(said);
    expect(error.message).toContain('where  plan.json, schedule.table');
  });

  test('one that is sound is legal', () => {
    const table = ['0F0 0F1 0B0 0B1', '1F0 1B0 1F1 1B1'];
    const sound = { ...plan, schedule: { kind: 'table', microbatches: 2, table } };
    expect(() => checkPlan(parsePlan(JSON.stringify(sound), 'plan.json'), model, 'plan.json')).not.toThrow();
  });
});

describe('pipelines that the sizes do not give', () => {
  const of = (given: object, sequences = 8) => {
    try {
      planOfSizes(given, 2, model, { sequences, microbatch: 1 }, plan.precision as Plan['precision']);
    } catch (error) {
      return (error as DiagnosticError).message;
    }
    return 'accepted';
  };
  const pipeline_parallel_size = 2;
  test.each([
    [
      { pipeline_parallel_size, virtual_stages: 3 },
      /pipeline_parallel_size 2 × virtual_stages 3 is more than the model's 4/,
    ],
    [
      { pipeline_parallel_size, stage_layers: [1] },
      /stage_layers is of length 1, and the pipeline has 2 chunks[\s\S]*even ones are \[1,1\]/,
    ],
    [{ pipeline_parallel_size, stage_layers: [2, 1] }, /\[2,1\] are 3 layers, and the model has 2/],
    [
      { pipeline_parallel_size, pipeline_schedule: 'zb-v', virtual_stages: 1 },
      /zb-v[\s\S]*config \(field plan.virtual_stages\)/,
    ],
    [
      { pipeline_parallel_size, pipeline_schedule: '1f1b', virtual_stages: 2 },
      /1f1b has 1 on each[\s\S]*set virtual_stages to 1, or/,
    ],
    [
      { pipeline_parallel_size, pipeline_schedule: 'interleaved', virtual_stages: 1 },
      /interleaved has 2 or more on each[\s\S]*config \(field plan.virtual_stages\)[\s\S]*set virtual_stages to 2, or/,
    ],
    [{ pipeline_parallel_size, stage_layers: [0, 2] }, /^accepted$/],
    [
      { pipeline_parallel_size, virtual_stages: 2, stage_layers: [1, 0, 1, 0] },
      /\[1,0,1,0\] leave chunk 1 nothing to compute[\s\S]*even ones are \[0,1,1,0\]/,
    ],
    [{ pipeline_parallel_size, virtual_stages: 2, stage_layers: [0, 1, 1, 0] }, /^accepted$/],
    [{ pipeline_parallel_size, virtual_stages: 2 }, /^accepted$/],
    [
      { pipeline_parallel_size: 2, tensor_parallel_size: 4, virtual_stages: 2 },
      /nearest legal plan is tensor_parallel_size 1, data_parallel_size 1$/m,
    ],
    [{ pipeline_parallel_size: 3, pipeline_schedule: 'zb-v' }, /pipeline_parallel_size 2, data_parallel_size 1$/m],
    [
      { pipeline_parallel_size: 1 + pipeline_parallel_size, data_parallel_size: 1, virtual_stages: 4 },
      /pipeline_parallel_size 1, data_parallel_size 2, without pipeline_schedule and virtual_stages$/m,
    ],
    [
      { pipeline_parallel_size, virtual_stages: 3 },
      /config, plan.virtual_stages[\s\S]*nearest legal plan is virtual_stages 2/,
    ],
  ])('%j', (given, said) => expect(of(given)).toMatch(said));

  test('a table that is none of this model', () => {
    const schedule_file = readScheduleFile('0F0,0B0\n1F0,,1F0,1B0', 'slots.csv');
    expect(of({ pipeline_parallel_size, schedule_file }, 1)).toMatch(
      /^.* has 1F0 2 times \[schedule\/slot-twice\][^]*slots\.csv, line 2, cell 1 \(1F0\)\n.*slots\.csv, line 2, cell 3 \(1F0\)/,
    );
  });

  test('fewer microbatches than the schedule needs', () => {
    expect(of({ pipeline_parallel_size, pipeline_schedule: 'dualpipe-v' }, 1)).toMatch(
      /microbatch[\s\S]*config \(field plan.pipeline_schedule\)/,
    );
  });
});

test('a plan of any number of microbatches, or of chunks, is told at once', () => {
  for (const [field, value] of [
    ['schedule.microbatches', Number.MAX_SAFE_INTEGER],
    ['chunks', Array.from({ length: 50_000 }, (_, i) => ({ segments: ['embedding'], on: `g${i % 2}` }))],
  ] as const) {
    const begin = performance.now();
    try {
      checkPlan(parsePlan(JSON.stringify(withField(field, value)), 'plan.json'), model, 'plan.json');
    } catch (error) {
      expect((error as DiagnosticError).code).toBe('plan/contradiction');
    }
    expect(performance.now() - begin).toBeLessThan(20_000);
  }
  const begin = performance.now();
  const many = Array.from({ length: 50_000 }, (_, i) => `g${i}`);
  const groups = Object.fromEntries(many.map((name) => [name, { mesh: { data: 1 } }]));
  const error = errorOf({ ...plan, groups, chunks: many.map((on) => ({ segments: ['embedding'], on })) });
  expect(error.message).toContain("the segment 'embedding' is in chunk 0 and in chunk 1");
  expect(performance.now() - begin).toBeLessThan(20_000);
});

test('a fault of a table is told with the group and the slot', () => {
  const table = (...rows: readonly string[]) =>
    errorOf({ ...plan, schedule: { kind: 'table', microbatches: 1, table: rows } }).message;
  expect(table('0F0 0B0', '1F0 1B0 1B0')).toMatch(
    /has 1B0 2 times \[schedule\/slot-twice\][^]*plan.json, schedule.table, group 1, slot 1 [^]*group 1, slot 2 /,
  );
  expect(table('0F0 0B0', '1F0 1X0')).toMatch(/'1X0'[^]*plan.json, schedule.table, group 1, slot 1/);
});

test('a byte-order mark before a plan is none of it', () => {
  expect(parsePlan(`\uFEFF${JSON.stringify(plan)}`, 'plan.json')).toEqual(plan);
});

describe('a plan of version 1', () => {
  const { groups, chunks, ...rest } = plan;
  const stages = chunks.map(({ segments, on }) => ({ segments, mesh: groups[on].mesh }));
  const old = { ...rest, flotilla_plan: 1, stages };

  test('is read as groups of one chunk each', () => {
    expect(parsePlan(JSON.stringify(old), 'plan.json')).toEqual(plan);
  });

  test.each([
    ['a field that a stage never had', { stages: stages.map((stage) => ({ ...stage, zero: 1 })) }, 'stages.0.zero'],
    ['groups and stages', { groups }, 'groups'],
    ['chunks and stages', { chunks: [] }, 'chunks'],
    ['no stages', { stages: undefined }, 'stages'],
    ['stages that are no list', { stages: {} }, 'stages'],
    ['a stage without a mesh', { stages: [{ segments: [] }] }, 'stages.0.mesh'],
    ['an axis of half a rank', { stages: [{ ...stages[0], mesh: { data: 0.5 } }] }, 'stages.0.mesh.data'],
  ])('with %s is refused', (_, more, field) => {
    const error = errorOf({ ...old, ...more });
    expect(error.code).toBe('plan/invalid');
    expect(error.message).toContain(`(field ${field})`);
  });
});

describe('plans that are no plan', () => {
  test.each([
    ['text', 'not json', 'it is not JSON'],
    ['a list', '[]', 'it holds [] and not an object of fields'],
    ['null', 'null', 'it holds null and not an object of fields'],
    ['lists in lists', `{"model":${'['.repeat(1e5)}${']'.repeat(1e5)}}`, 'it nests deeper than 64 levels'],
    ['an axis that is no field', '{"groups":{"g0":{"mesh":{"__proto__":2}}}}', "a field is called '__proto__'"],
    ['a factor that is no field', '{"split":{"__proto__":["data"]}}', "a field is called '__proto__'"],
  ])('%s', (_, text, why) => {
    const error = refusalOf(() => parsePlan(text, 'plan.json'));
    expect(error?.code).toBe('plan/invalid');
    expect(error?.diagnostic.why).toContain(why);
  });
});

describe('sizes that no plan can have', () => {
  const of = (
    given: object,
    ranks: number,
    changes: Partial<typeof model> = {},
    options: { ranksAreGiven?: boolean } = {},
  ): DiagnosticError => {
    try {
      planOfSizes(
        given,
        ranks,
        { ...model, ...changes },
        { sequences: 8, microbatch: 1 },
        plan.precision as Plan['precision'],
        options,
      );
    } catch (error) {
      return error as DiagnosticError;
    }
    throw new Error('the sizes were accepted');
  };

  test('more stages than segments', () => {
    const error = of({ pipeline_parallel_size: 8 }, 8);
    expect(error.code).toBe('plan/too-many-stages');
    expect(error.diagnostic.fix).toBe('the nearest legal plan is pipeline_parallel_size 4, data_parallel_size 2');
  });

  test('more tensor ranks than the smallest factor has elements', () => {
    const error = of({ tensor_parallel_size: 6 }, 6);
    expect(error.code).toBe('plan/too-many-tensor-ranks');
    expect(error.diagnostic.fix).toContain('tensor_parallel_size 3, data_parallel_size 2');
  });

  const llama = (kv_heads: number, heads: number) =>
    describeModel(new Llama({ layers: 2, dim: 16 * heads, heads, kv_heads, hidden: 64, context: 4, vocab: 64 }));

  test.each([
    [8, 8, 64, { tensor: 8 }, ['tensor'], []],
    [2, 8, 8, { 'tensor.0': 2, 'tensor.1': 4 }, ['tensor.0'], ['tensor.1']],
    [3, 12, 4, { 'tensor.0': 2, 'tensor.1': 2 }, ['tensor.0'], ['tensor.1']],
    [1, 4, 4, { tensor: 4 }, [], ['tensor']],
    [2, 8, 3, { tensor: 3 }, [], ['tensor']],
  ] as const)('%i key/value heads, %i heads, %i tensor ranks', (kv, heads, tensor, mesh, keys, queries) => {
    const ranks = Math.min(tensor, heads);
    const batch = { sequences: 4, microbatch: 1 };
    const made = planOfSizes({ tensor_parallel_size: ranks }, ranks, llama(kv, heads), batch, {
      compute: 'f32',
      master: 'f32',
    });
    expect(made.groups.g0.mesh).toEqual({ data: 1, ...mesh });
    if (kv < heads) expect([made.split.kv_group, made.split.group]).toEqual([keys, queries]);
    expect(made.split.hidden).toEqual(Object.keys(mesh));
  });

  const mixture = (kv_heads: number, experts: number) =>
    describeModel(
      new Mixtral({ layers: 1, dim: 64, heads: 8, kv_heads, hidden: 64, context: 4, vocab: 64, experts, choices: 2 }),
    );

  test.each([
    [8, 8, { tensor_parallel_size: 4, expert_tensor_parallel_size: 4, expert_parallel_size: 2 }, 8, [], ['data']],
    [8, 8, { tensor_parallel_size: 4, expert_tensor_parallel_size: 1 }, 4, ['tensor'], ['tensor']],
    [8, 4, { tensor_parallel_size: 8, expert_tensor_parallel_size: 2 }, 8, ['tensor.0'], ['tensor.0']],
    [2, 8, { tensor_parallel_size: 8, expert_tensor_parallel_size: 2 }, 8, ['tensor.0'], ['tensor.0', 'tensor.1']],
    [2, 8, { tensor_parallel_size: 4, expert_tensor_parallel_size: 2 }, 4, ['tensor.0'], ['tensor.0']],
    [
      8,
      8,
      { tensor_parallel_size: 2, expert_tensor_parallel_size: 1, expert_parallel_size: 2 },
      4,
      ['tensor'],
      ['data', 'tensor'],
    ],
  ] as const)('experts: %i key/value heads, %i experts, %o', (kv, experts, sizes, ranks, first, over) => {
    const batch = { sequences: 8, microbatch: 1 };
    const { split, groups } = planOfSizes(sizes, ranks, mixture(kv, experts), batch, { compute: 'f32', master: 'f32' });
    expect(split.experts).toEqual(over);
    expect(Object.values(groups.g0.mesh).reduce((n, size) => n * size, 1)).toBe(ranks);
    if (kv === 2) expect(split.kv_group).toEqual(first);
    // Features of all else are divided among all.
    expect(split.hidden).toEqual(Object.keys(groups.g0.mesh).filter((axis) => axis.startsWith('tensor')));
  });

  test('ranks that share an expert: no divisor, more than there are, or with too few experts for the others', () => {
    const sizes = { tensor_parallel_size: 4, expert_tensor_parallel_size: 3 } as const;
    expect(of(sizes, 4, mixture(8, 8)).diagnostic.fix).toBe('set it to 1 or 2 or 4');
    expect(of({ ...sizes, expert_tensor_parallel_size: 8 }, 4, mixture(8, 8)).code).toBe(
      'plan/no-such-expert-tensor-size',
    );
    expect(
      of({ ...sizes, expert_tensor_parallel_size: 1, expert_parallel_size: 4 }, 16, mixture(8, 8)).diagnostic.fix,
    ).toBe('set it to 2 or 4');
    expect(of(sizes, 4).code).toBe('plan/nothing-for-expert-tensor-ranks');
    const shared = { tensor_parallel_size: 2, context_parallel_size: 4 } as const;
    expect(of({ ...shared, expert_tensor_parallel_size: 3 }, 8, mixture(8, 8)).diagnostic.fix).toBe(
      'set it to 2 or 4 or 8',
    );
  });

  test('context ranks that share experts with all tensor ranks, and some that have experts of their own', () => {
    const made = (sizes: ParallelSizes) => {
      const given = { tensor_parallel_size: 2, context_parallel_size: 4, ...sizes };
      const batch = { sequences: 8, microbatch: 1 };
      const { groups, split } = planOfSizes(given, 16, mixture(8, 8), batch, { compute: 'f32', master: 'f32' });
      expect(Object.keys(split).indexOf('hidden')).toBeGreaterThan(Object.keys(split).indexOf('sequence'));
      return [groups.g0.mesh, split.sequence, split.hidden, split.experts];
    };
    const two = { 'context.0': 2, 'context.1': 2 };
    expect(made({ expert_tensor_parallel_size: 4 })).toEqual([
      { data: 2, ...two, tensor: 2 },
      ['context.0', 'context.1'],
      ['context.1', 'tensor'],
      undefined,
    ]);
    expect(made({ expert_tensor_parallel_size: 8, expert_parallel_size: 2 })).toEqual([
      { data: 2, context: 4, tensor: 2 },
      ['context'],
      ['context', 'tensor'],
      ['data'],
    ]);
    expect(made({ expert_tensor_parallel_size: 4, expert_parallel_size: 4 }).slice(2)).toEqual([
      ['context.1', 'tensor'],
      ['data', 'context.0'],
    ]);
  });

  test('tensor ranks among which query heads cannot be divided', () => {
    const five = of({ tensor_parallel_size: 5 }, 5, llama(2, 8), { ranksAreGiven: false });
    expect(five.diagnostic.what).toBe(
      "tensor_parallel_size 5 is more than the model's 4 query heads that so many ranks can divide",
    );
    expect(five.diagnostic.fix).toContain('tensor_parallel_size 4');
    expect(of({ tensor_parallel_size: 8 }, 8, llama(2, 4)).diagnostic.what).toContain("the model's 4 query heads");
  });

  test('tensor ranks with nothing to split', () => {
    const error = of({ tensor_parallel_size: 2 }, 4, { factors: {} });
    expect(error.code).toBe('plan/nothing-for-tensor-ranks');
    expect(error.diagnostic.fix).toContain('tensor_parallel_size 1, data_parallel_size 4');
  });

  test('more ranks than a sequence has tokens, or attention heads', () => {
    const many = of({ context_parallel_size: 9 }, 9);
    expect(many.code).toBe('plan/too-many-context-ranks');
    expect(many.diagnostic.fix).toContain('context_parallel_size 3, data_parallel_size 3');
    const both = of({ context_parallel_size: 2, tensor_parallel_size: 3, sequence_parallel: true }, 6);
    expect(both.code).toBe('plan/too-many-sequence-ranks');
    expect(both.diagnostic.what).toContain('context_parallel_size 2 × tensor_parallel_size 3');
    const heads = of({ context_parallel_size: 4, tensor_parallel_size: 2, context_parallel_method: 'ulysses' }, 8);
    expect(heads.code).toBe('plan/too-few-heads');
    expect(heads.diagnostic.fix).toBe(
      'set plan.context_parallel_method to ulysses+ring, ring or allgather; by ulysses the nearest legal plan is context_parallel_size 2, data_parallel_size 2',
    );
    // Five heads, and no five of six ranks.
    const sizes = { context_parallel_size: 6, context_parallel_method: 'ulysses' } as const;
    const six = of(sizes, 6, { factors: { ...model.factors, heads: 5 }, sizes: { ...model.sizes, heads: [5] } });
    expect(six.diagnostic.fix).toContain('context_parallel_size 3, data_parallel_size 2');
    const mismatch = of({ ...sizes, tensor_parallel_size: 2 }, 8);
    expect(mismatch.code).toBe('plan/world-size-mismatch');
    expect(mismatch.diagnostic.fix).toContain('context_parallel_size 2, data_parallel_size 2');
    expect(() => of({ context_parallel_size: 4 }, 4)).toThrow('the sizes were accepted');
  });

  test.each([
    [{ context_parallel_method: 'allgather' }, /method is allgather, and[^]*size to 2 or more/],
    [{ context_parallel_method: 'ring', context_parallel_size: 1 }, /method is ring, and[^]*no ranks share a sequence/],
    [{ context_parallel_load_balancer: 'none' }, /balancer is none, and[^]*no ranks share a sequence/],
    [{ sequence_parallel: true }, /sequence_parallel is true, and[^]*tensor_parallel_size to 2 or more/],
    [
      { context_parallel_size: 2, context_parallel_method: 'ulysses', context_parallel_load_balancer: 'headtail' },
      /says nothing by ulysses[^]*equally much to do[^]*method to allgather or ring/,
    ],
  ])('%o, of ranks that there are not', (given, said) => {
    const ranks = 'context_parallel_size' in given ? given.context_parallel_size! : 1;
    const error = of(given, ranks);
    expect(error.code).toBe('plan/contradiction');
    expect(error.message).toMatch(said);
    expect(error.diagnostic.where![0].note).toBe(
      `field plan.${Object.keys(given).findLast((name) => name !== 'context_parallel_size')}`,
    );
  });

  test('ulysses within rings: as many neighbours exchange heads as have one each', () => {
    const made = (ranks: number, tensor = 1) => {
      const sizes = {
        context_parallel_size: ranks,
        tensor_parallel_size: tensor,
        context_parallel_method: 'ulysses+ring',
        zero_stage: 1,
      } as const;
      const batch = { sequences: 4, microbatch: 1 };
      const { groups, split, context_method, zero } = planOfSizes(sizes, ranks * tensor, llama(4, 8), batch, {
        compute: 'f32',
        master: 'f32',
      });
      return { mesh: groups.g0.mesh, sequence: split.sequence, context_method, zero: zero.axes };
    };
    // Four tokens a sequence: no more ranks than that.
    expect(made(4, 2)).toEqual({
      mesh: { data: 1, 'context.0': 2, 'context.1': 2, tensor: 2 },
      sequence: ['context.0', 'context.1'],
      context_method: 'ulysses+ring',
      zero: ['data', 'context.0', 'context.1'],
    });
    expect(made(4)).toMatchObject({ mesh: { context: 4 }, context_method: 'ulysses' });
    expect(made(3, 4)).toMatchObject({ mesh: { context: 3 }, context_method: 'ring' });
  });

  test('ranks that share experts: more than there are, or other than data ranks and shards divide into', () => {
    const experts = { factors: { ...model.factors, experts: 6 } };
    expect(of({ expert_parallel_size: 2 }, 4).code).toBe('plan/nothing-for-expert-ranks');
    // Of eight data ranks there are no six.
    expect(of({ expert_parallel_size: 8 }, 8, experts).diagnostic.fix).toMatch(/^set it to 4 /);
    const shards = { zero_stage: 1, shard_size: 3 } as const;
    expect(of({ expert_parallel_size: 12, ...shards }, 12, experts).diagnostic.fix).toMatch(/^set it to 6 /);
    expect(of({ expert_parallel_size: 7 }, 7, experts).diagnostic.fix).toMatch(/^remove it/);
    expect(of({ expert_parallel_size: 3 }, 8, experts).diagnostic.fix).toBe(
      'set it to 2 or 4, or start 6 or 9 ranks, for data_parallel_size 6 or 9',
    );
    expect(of({ expert_parallel_size: 3 }, 8, experts, { ranksAreGiven: false }).diagnostic.fix).toBe(
      'set it to 2 or 4, or set data_parallel_size to 6 or 9',
    );
    const both = of({ expert_parallel_size: 3, shard_size: 2, zero_stage: 1 }, 6, experts);
    expect(both.code).toBe('plan/experts-do-not-divide');
    expect(both.diagnostic.what).toContain('neither divides the other');
    // Of six data ranks there are no shards of four.
    expect(both.diagnostic.fix).toBe('set it to 2 or 6, or set shard_size to 3');
  });

  test('each size that is named in place of one is legal beside the others', () => {
    const size = fc.integer({ min: 1, max: 12 });
    const precision = { compute: 'f32', master: 'f32' } as const;
    const mixture = { ...model, factors: { ...model.factors, experts: 6 } };
    fc.assert(
      fc.property(size, size, size, fc.boolean(), (data, shard_size, expert_parallel_size, ranksAreGiven) => {
        const asked = { data_parallel_size: data, zero_stage: 1, shard_size, expert_parallel_size } as const;
        const make = (sizes: ParallelSizes) =>
          planOfSizes(sizes, sizes.data_parallel_size!, mixture, { sequences: 8, microbatch: 1 }, precision, {
            ranksAreGiven,
          });
        const refusal = refusalOf(() => make(asked));
        if (!refusal) return;
        const { what, fix = '' } = refusal.diagnostic;
        const [its] = /\w+_size/.exec(what)!;
        for (const [, named, values] of fix.matchAll(/(it|\w+_size)(?: to)? (\d+(?: or \d+)*)/g))
          for (const value of values.split(' or '))
            expect(
              () => make({ ...asked, [named === 'it' ? its : named]: Number(value) }),
              `${what}: ${fix}`,
            ).not.toThrow();
      }),
      { numRuns: 500 },
    );
  });

  const shared = { context_parallel_size: 4 } as const;
  test('ranks that share experts among those that share a sequence: some of them, and all data ranks', () => {
    const experts = { factors: { heads: 4, experts: 16 } };
    const six = of({ ...shared, expert_parallel_size: 6 }, 8, experts).diagnostic;
    expect(six.what).toContain('nor is it these times some of the 4 that share a sequence');
    expect(six.fix).toMatch(/^set it to 4 or 8, /);
    const batch = { sequences: 8, microbatch: 1 };
    const made = (given: ParallelSizes, ranks: number) => {
      const one = planOfSizes(given, ranks, { ...model, ...experts }, batch, { compute: 'f32', master: 'f32' });
      return [one.groups.g0.mesh, one.split.sequence, one.split.experts, one.zero.axes];
    };
    const [data, cut] = [['data'], ['context.0', 'context.1']];
    expect(made({ ...shared, expert_parallel_size: 2, zero_stage: 1 }, 8)).toEqual([
      { data: 2, context: 4, tensor: 1 },
      ['context'],
      data,
      ['data', 'context'],
    ]);
    expect(made({ ...shared, expert_parallel_size: 4, zero_stage: 1 }, 8)).toEqual([
      { data: 2, 'context.0': 2, 'context.1': 2, tensor: 1 },
      cut,
      ['data', 'context.1'],
      ['data', ...cut],
    ]);
    expect(made({ ...shared, expert_parallel_size: 4 }, 4).slice(0, 3)).toEqual([
      { data: 1, context: 4, tensor: 1 },
      ['context'],
      ['context'],
    ]);
    // Heads are exchanged within, and experts lie there or on all.
    const both = { ...shared, context_parallel_method: 'ulysses+ring', tensor_parallel_size: 2 } as const;
    expect(made({ ...both, expert_parallel_size: 2 }, 8).slice(1, 3)).toEqual([cut, ['context.1']]);
    expect(made({ ...both, expert_parallel_size: 4 }, 8).slice(1, 3)).toEqual([cut, cut]);
  });

  test('experts stand behind the sequence that tensor ranks share in whole groups: they are dispatched by its tokens', () => {
    const order = (token_groups: number, sizes: ParallelSizes) => {
      const options = { layers: 1, dim: 64, heads: 8, hidden: 64, context: 8, vocab: 64, experts: 8, choices: 2 };
      const { split } = planOfSizes(
        { tensor_parallel_size: 2, sequence_parallel: true, ...sizes },
        2 * (sizes.context_parallel_size ?? 1),
        describeModel(new Mixtral({ ...options, token_groups })),
        { sequences: 8, microbatch: 1 },
        { compute: 'f32', master: 'f32' },
      );
      expect(split.experts.at(-1)).toBe('tensor');
      return Object.keys(split).slice(-2);
    };
    const [before, behind] = [
      ['experts', 'sequence'],
      ['sequence', 'experts'],
    ];
    expect(order(1, {})).toEqual(before);
    expect(order(2, {})).toEqual(behind);
    // Stored head-tail each rank has whole groups of both ends.
    expect(order(2, { context_parallel_size: 2 })).toEqual(before);
    expect(order(4, { context_parallel_size: 2 })).toEqual(behind);
    // Over context ranks they yield to no sequence.
    expect(order(1, { context_parallel_size: 2, expert_parallel_size: 2, expert_tensor_parallel_size: 1 })).toEqual(
      behind,
    );
  });

  test.each([
    [{}, 4, { data: 4 }, ['data'], undefined],
    [{ expert_parallel_size: 4 }, 4, { data: 4 }, ['data'], ['data']],
    [
      { expert_parallel_size: 2 },
      8,
      { 'data.replica': 4, 'data.expert': 2 },
      ['data.replica', 'data.expert'],
      ['data.expert'],
    ],
    [
      { expert_parallel_size: 2, zero_stage: 3, shard_size: 4 },
      8,
      { 'data.replica': 2, 'data.shard': 2, 'data.expert': 2 },
      ['data.shard', 'data.expert'],
      ['data.expert'],
    ],
    [
      { expert_parallel_size: 4, zero_stage: 3, shard_size: 2 },
      8,
      { 'data.replica': 2, 'data.expert': 2, 'data.shard': 2 },
      ['data.shard'],
      ['data.expert', 'data.shard'],
    ],
    [
      { expert_parallel_size: 2, zero_stage: 3, shard_size: 2 },
      8,
      { 'data.replica': 4, 'data.shard': 2 },
      ['data.shard'],
      ['data.shard'],
    ],
  ] as const)('%o on %i data ranks', (given, ranks, mesh, shards, experts) => {
    const mixture = { ...model, factors: { heads: 4, ...(experts && { experts: 6 }) } };
    const batch = { sequences: 8, microbatch: 1 };
    const made = planOfSizes(given, ranks, mixture, batch, { compute: 'f32', master: 'f32' });
    expect(made.groups.g0.mesh).toEqual({ ...mesh, tensor: 1 });
    expect(made.split.microbatch).toEqual(Object.keys(mesh));
    expect(made.split.experts).toEqual(experts);
    expect(made.zero.axes).toEqual(shards);
  });

  test('ranks that are ours to choose do not make the sizes smaller', () => {
    expect(of({ tensor_parallel_size: 5 }, 5).diagnostic.fix).toContain('plan is tensor_parallel_size 1, data');
    const free = of({ tensor_parallel_size: 5 }, 5, {}, { ranksAreGiven: false });
    expect(free.diagnostic.fix).toContain('plan is tensor_parallel_size 4 (');
  });

  test('a plan that is named as the nearest is legal, on the ranks that there are', () => {
    const size = fc.integer({ min: 1, max: 9 });
    fc.assert(
      fc.property(fc.option(size, { nil: undefined }), fc.tuple(size, size, size), size, (data, sizes, ranks) => {
        const [tensor_parallel_size, context_parallel_size, pipeline_parallel_size] = sizes;
        const asked = { data_parallel_size: data, tensor_parallel_size, context_parallel_size, pipeline_parallel_size };
        const batch = { sequences: 8, microbatch: 1 };
        const make = (given: object) => planOfSizes(given, ranks, model, batch, { compute: 'f32', master: 'f32' });
        try {
          make(asked);
        } catch (error) {
          const { fix } = (error as DiagnosticError).diagnostic;
          const named = [...fix!.matchAll(/(\w+_size) (\d+)/g)].map(([, name, value]) => [name, Number(value)]);
          expect(ranksOf(make({ ...asked, ...Object.fromEntries(named) }))).toBe(ranks);
        }
      }),
    );
  });

  test('fewer microbatches than a schedule takes are told in the fields of the configuration, each with what does', () => {
    const asked = { pipeline_parallel_size: 2, pipeline_schedule: 'dualpipe-v' };
    const deep = describeModel(new GPT({ layers: 4, dim: 8, heads: 4, context: 4, vocab: 7 }));
    const precision = { compute: 'f32', master: 'f32' } as const;
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 4 }),
        fc.nat(11),
        (data, microbatch, more) => {
          const batch = { sequences: microbatch * (1 + more), microbatch };
          const make = (sizes: ParallelSizes, of: typeof batch) => planOfSizes(sizes, 2 * data, deep, of, precision);
          const { diagnostic } = refusalOf(() => make(asked, batch)) ?? {};
          if (!diagnostic) return;
          expect(JSON.stringify(diagnostic)).not.toContain('schedule.microbatches');
          expect(diagnostic.where![0].note).toBe('field batch.sequences');
          const sequences = Number(/batch\.sequences to (\d+)/.exec(diagnostic.fix!)![1]);
          expect(() => make(asked, { ...batch, sequences })).not.toThrow();
          const size = /batch\.microbatch to (\d+)/.exec(diagnostic.fix!)?.[1];
          if (size) expect(() => make(asked, { ...batch, microbatch: Number(size) })).not.toThrow();
          const [, schedules] = /pipeline_schedule to ([^;]+);/.exec(diagnostic.fix!)!;
          for (const pipeline_schedule of schedules.split(' or '))
            expect(() => make({ ...asked, pipeline_schedule, virtual_stages: 2 }, batch)).not.toThrow();
        },
      ),
    );
    const two = { sequences: 4, microbatch: 2 };
    const error = refusalOf(() => planOfSizes(asked, 2, deep, two, precision))!;
    expect(error.message).toBe(
      [
        'the pipeline schedule dualpipe-v takes 4 microbatches or more on 2 groups, and a step has 2 [plan/contradiction]',
        '  why    with fewer, its groups never all work at once',
        '  where  config (field batch.sequences)',
        '  where  config (field batch.microbatch)',
        '  where  config (field plan.pipeline_schedule)',
        '  fix    set batch.sequences to 8 or more, or batch.microbatch to 1, or pipeline_schedule to interleaved or zb-v; or have fewer groups (pipeline_parallel_size)',
      ].join('\n'),
    );
  });

  test('a plan file tells them in its own', () => {
    const halves = (segments: readonly string[]) =>
      segments.map((segment, i) => ({ segments: [segment], on: `g${[0, 1, 1, 0][i]}` }));
    const error = errorOf({
      ...plan,
      chunks: halves(model.segments),
      schedule: { kind: 'dualpipe-v', microbatches: 2, table: null },
    });
    expect(error.message).toMatch(/dualpipe-v takes 4 microbatches or more on 2 groups, and a step has 2/);
    expect(error.message).toContain('plan.json (field schedule.microbatches)');
    expect(error.diagnostic.fix).toBe('set it to 4 or more, or name another schedule, or plan fewer groups');
  });

  test('shards that do not divide the data ranks, or of nothing', () => {
    const error = of({ zero_stage: 3, shard_size: 4 }, 6);
    expect(error.code).toBe('plan/shard-size-does-not-divide');
    expect(error.diagnostic.fix).toBe('set it to 3 or 6, or start 4 or 8 ranks, for data_parallel_size 4 or 8');
    expect(of({ zero_stage: 1, shard_size: 8 }, 2, {}, { ranksAreGiven: false }).diagnostic.fix).toBe(
      'set it to 2, or set data_parallel_size to 8',
    );
    expect(of({ zero_stage: 1, shard_size: 2, tensor_parallel_size: 2 }, 2).diagnostic.fix).toBe(
      'remove it, or start 4 ranks, for data_parallel_size 2',
    );
    expect(of({ zero_stage: 3, shard_size: 1 }, 6)).toMatchObject({
      code: 'plan/contradiction',
      diagnostic: { fix: 'set it to 2, or remove it and set zero_stage to 0' },
    });
    expect(of({ zero_stage: 2, shard_size: 1 }, 1).diagnostic.fix).toBe('remove it');
    const without = of({ shard_size: 2 }, 4);
    expect(without.code).toBe('plan/contradiction');
    expect(without.diagnostic.fix).toBe('remove it, or set zero_stage to 1, 2 or 3');
  });

  test('other ranks than the sizes multiply to', () => {
    expect(of({ tensor_parallel_size: 3 }, 2).diagnostic.fix).toBe(
      'start 3 ranks, or on 2 ranks the nearest legal plan is tensor_parallel_size 2, data_parallel_size 1',
    );
    expect(of({ ...sizes, data_parallel_size: 3 }, 8).code).toBe('plan/world-size-mismatch');
  });
});

test('ZeRO over an axis that splits every parameter already is refused, with those that it can split over', () => {
  const groups = (data: number) => ({ g0: { mesh: { data, tensor: 2 } }, g1: { mesh: { data, tensor: 2 } } });
  // Every parameter has dim, or is the bias of hidden units.
  const split = { microbatch: ['data'], dim: ['tensor'], hidden: ['tensor'], heads: ['tensor'] };
  const of = (axis: string, data = 2, stage = 1) => ({
    ...plan,
    groups: groups(data),
    split,
    bounds: {},
    zero: { stage, axes: [axis] },
  });
  const error = errorOf(of('tensor'));
  expect(error.code).toBe('plan/contradiction');
  expect(error.message).toContain('no parameter is replicated over it');
  expect(error.diagnostic.fix).toBe('set it to ["data"], or zero.stage to 0');
  expect(errorOf(of('tensor', 1)).diagnostic.fix).toBe('set zero.stage to 0');
  const none = errorOf({ ...of('data'), zero: { stage: 2, axes: [] } });
  expect(none.message).toContain('ZeRO is to split over no axis, and that says nothing');
  expect(none.diagnostic.fix).toBe('set it to ["data"], or zero.stage to 0');
  // One rank along the axis splits nothing either; the plan of a run that has trained so is read.
  expect(errorOf(of('data', 1)).message).toMatch(
    /split over 'data', and that says nothing[\s\S]*one rank in every group/,
  );
  const alone = {
    ...of('tensor'),
    groups: { g0: { mesh: { data: 2, tensor: 1 } }, g1: { mesh: { data: 2, tensor: 1 } } },
  };
  expect(errorOf(alone).diagnostic.fix).toBe('set it to ["data"], or zero.stage to 0');
  expect(() => checkPlan(alone as Plan, model, 'plan.json', { ofRun: true })).not.toThrow();
  for (const legal of [of('data'), of('tensor', 2, 0), { ...of('tensor'), split: { ...split, dim: ['data'] } }])
    expect(() => checkPlan(parsePlan(JSON.stringify(legal), 'plan.json'), model, 'plan.json')).not.toThrow();
});

test('ranks that would compute the same, or nothing, are refused, also where ZeRO shares their state', () => {
  const groups = (mesh: object) => ({ g0: { mesh }, g1: { mesh } });
  const error = (changes: object) => errorOf({ ...plan, ...changes });
  const same = error({ split: {}, groups: groups({ data: 2, tensor: 1 }), zero: { stage: 1, axes: ['data'] } });
  expect(same.code).toBe('plan/contradiction');
  expect(same.message).toContain("the 2 ranks along 'data' share nothing");
  const few = { ...plan.split, heads: ['tensor'], hidden: [], vocab: [], dim: [] };
  const none = error({ split: few, groups: groups({ data: 1, tensor: 5 }), bounds: {} });
  expect(none.code).toBe('plan/contradiction');
  expect(none.message).toMatch(
    /of the 5 ranks along 'tensor' some would have nothing to do[\s\S]*'heads' has 4[\s\S]*to 4 or less/,
  );
  // As many as there are, and more where a larger factor is split too.
  for (const [tensor, split] of [
    [4, few],
    [5, { ...few, vocab: ['tensor'] }],
  ] as const) {
    const legal = { ...plan, split, groups: groups({ data: 1, tensor }), bounds: {} };
    expect(() => checkPlan(parsePlan(JSON.stringify(legal), 'plan.json'), model, 'plan.json')).not.toThrow();
  }
});

describe('what is said for nothing', () => {
  const one = planOfSizes({}, 1, model, { sequences: 4, microbatch: 1 }, { compute: 'f32', master: 'f32' });
  const halves = [
    { segments: ['embedding', 'blocks.0'], on: 'g0' },
    { segments: ['blocks.1', 'head'], on: 'g0' },
  ];
  test.each<[string, Partial<Plan>, RegExp, string | RegExp]>([
    [
      'bounds that do not fit',
      { bounds: { heads: [0, 3, 9] } },
      /\[0, 3, 9\] of 'heads' say nothing/,
      'remove bounds.heads',
    ],
    [
      'bounds of a ring',
      {
        ...{ groups: { g0: { mesh: { data: 1, context: 2, tensor: 1 } } }, split: { sequence: ['context'] } },
        ...{ context_method: 'ring', bounds: { sequence: [0, 1, 4] } },
      },
      /go round a ring/,
      /^remove bounds.sequence/,
    ],
    [
      'a ring of more ranks than a sequence has tokens',
      {
        ...{ groups: { g0: { mesh: { data: 1, 'context.0': 3, 'context.1': 2, tensor: 1 } } } },
        ...{ split: { sequence: ['context.0', 'context.1'] }, context_method: 'ring' },
      },
      /6 ranks of group g0 share a sequence of 4 tokens[^]*a ring has a part for each/,
      'split it over axes of 4 ranks or fewer, together',
    ],
    [
      'a sequence of fewer tokens than ranks',
      { groups: { g0: { mesh: { data: 1, context: 5, tensor: 1 } } }, split: { sequence: ['context'] } },
      /5 ranks of group g0 share a sequence of 4 tokens[^]*no part of it/,
      'split it over axes of 4 ranks or fewer, together',
    ],
    ['an order', { context_order: 'head_tail' }, /stored head_tail, and that says nothing/, /^remove context_order/],
    ['a method', { context_method: 'ulysses' }, /meet by ulysses, and that says nothing/, /^remove context_method/],
    ['bounds that fit', { bounds: { heads: [0, 4] } }, /say nothing/, 'remove bounds.heads'],
    ['when to reduce', { zero: { ...one.zero, reduce_gradients: 'each' } }, /no ranks share the data/, 'remove it'],
    [
      'a schedule of two chunks',
      { chunks: halves, schedule: { ...one.schedule, kind: 'zb-v' } },
      /no pipeline/,
      /"1f1b"/,
    ],
    ['a backward in two', { schedule: { ...one.schedule, kind: 'zb-h1' } }, /no pipeline/, /"1f1b"/],
  ])('%s', (_, changes, said, fix) => {
    const changed = { ...one, ...changes };
    const error = errorOf(changed);
    expect(error.code).toBe('plan/contradiction');
    expect(error.message).toMatch(said);
    expect(error.diagnostic.fix).toMatch(fix);
    expect(() => checkPlan(changed, model, 'plan.json', { ofRun: true })).not.toThrow();
  });

  test('a method, where heads go before positions over all of their axes', () => {
    const groups = { g0: { mesh: { data: 1, context: 2, tensor: 2 } } };
    const of = (split: Plan['split']): Plan => ({ ...one, groups, split, context_method: 'allgather' });
    const [context, heads] = [{ vocab: ['context'] }, { heads: ['tensor'] }];
    const error = errorOf(of({ ...context, ...heads, sequence: ['tensor'] }));
    expect(error.code).toBe('plan/contradiction');
    expect(error.message).toContain('is split by what is listed before the sequence');
    for (const legal of [
      of({ ...heads, sequence: ['context', 'tensor'] }),
      of({ sequence: ['context', 'tensor'], ...heads }),
    ])
      expect(() => checkPlan(legal, model, 'plan.json')).not.toThrow();
  });

  test.each<[ParallelSizes, number, RegExp, string]>([
    [
      { virtual_stages: 2 },
      1,
      /no pipeline, and its schedule is to be interleaved, with 2 chunks/,
      'remove virtual_stages, or set pipeline_parallel_size to 2 or more',
    ],
    [{ pipeline_schedule: 'zb-v' }, 2, /no pipeline/, 'remove it, or set pipeline_parallel_size to 2 or more'],
    [{ pipeline_schedule: 'zb-h1' }, 1, /no pipeline/, 'remove it, or set pipeline_parallel_size to 2 or more'],
    [
      { pipeline_schedule: 'interleaved', virtual_stages: 2 },
      1,
      /no pipeline/,
      'remove virtual_stages and pipeline_schedule, or set pipeline_parallel_size to 2 or more',
    ],
    [{ reduce_gradients: 'each' }, 1, /for each microbatch, and that says nothing/, 'remove it'],
    [{ reduce_gradients: 'last', tensor_parallel_size: 2, zero_stage: 2 }, 2, /no ranks share the data/, 'remove it'],
  ])('of sizes: %j on %i', (given, ranks, said, fix) => {
    const batch = { sequences: 8, microbatch: 1 };
    expect(() => planOfSizes(given, ranks, model, batch, one.precision)).toThrow(said);
    expect(() => planOfSizes(given, ranks, model, batch, one.precision)).toThrow(fix);
  });

  test('sizes that are run on one rank too have a plan without ZeRO, which is legal as a file', () => {
    const given: ParallelSizes = { zero_stage: 3, prefetch: 2, pipeline_schedule: '1f1b', virtual_stages: 1 };
    const made = planOfSizes(given, 1, model, { sequences: 8, microbatch: 1 }, one.precision);
    expect(made.zero).toEqual({ stage: 0, axes: ['data'] });
    expect(() => checkPlan(parsePlan(JSON.stringify(made), 'plan.json'), model, 'plan.json')).not.toThrow();
  });
});
