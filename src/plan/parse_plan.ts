/** Reading plan files: checked whole, so that a wrong field is said by name, with the nearest legal value, before anything runs. */
import { z } from 'zod';
import { nearest } from '../ir/diagnostic.js';
import { nearestChoice } from '../ir/nearest_choice.js';
import { parseFields } from '../ir/parse_json.js';
import { schedulesElsewhere } from '../schedule/kinds.js';
import { planInvalid, planVersionUnknown } from './diagnostics.js';
import { liftVersion1, liftZeroAxis } from './lift_plan.js';
import { contextMethods, contextMethodsElsewhere } from './context_methods.js';
import { contextOrders, gradientReductions, planVersion, zeroStages, type Plan } from './plan.js';
import { scheduleNames } from './plan_schedule.js';
import { reduceDtypes } from './reduce_dtype.js';

const count = z.int().positive();
/** A name that fields are looked up by: none that every object has, such as `constructor`. */
const ownName = z.string().refine((name) => !(name in Object.prototype), 'every object has a field of this name');
/** Names of axes and groups, as layouts are printed: letters, digits, `_` and `.`. */
const axisName = ownName.regex(/^[A-Za-z_][\w.]*$/);

const texts = (example: Readonly<Record<string, string>>) =>
  z.record(ownName, z.string().meta({ example: Object.values(example)[0] })).meta({ example });
const list = (example: string) => z.array(z.string().meta({ example })).meta({ example: [example] });

/** What is fixed of a program's choices. */
const choices = {
  assignments: z
    .record(
      ownName,
      z.strictObject({
        split: texts({ hidden: 'tensor' }).optional(),
        through: texts({ tensor: 'x0' }).optional(),
        from: texts({ x0: '{hidden:tensor} @0' }).optional(),
      }),
    )
    .meta({ example: {} })
    .optional(),
  reshards: z
    .array(
      z.strictObject({
        on: z.int().nonnegative(),
        of: z.string().meta({ example: 'f32[dim=4]' }),
        from: z.string().meta({ example: '{| sum:tensor}' }),
        to: z.string().meta({ example: '{}' }),
        by: list('all_reduce {}'),
      }),
    )
    .meta({ example: [] })
    .optional(),
};

/** What a plan file holds, field by field; each leaf has an example, the value to begin with. */
export const planSchema = z.strictObject({
  flotilla_plan: z.literal(planVersion),
  model: z.strictObject({ name: z.string(), hash: z.string() }),
  groups: z
    .record(axisName, z.strictObject({ mesh: z.record(axisName, count).meta({ example: { data: 2, tensor: 1 } }) }))
    .meta({ example: { g0: { mesh: { data: 2 } } } }),
  chunks: z
    .array(
      z.strictObject({
        segments: z.array(z.string()).meta({ example: ['embedding', 'blocks.0', 'head'] }),
        on: z.string().meta({ example: 'g0' }),
      }),
    )
    .min(1)
    .meta({ example: [{ segments: ['embedding', 'blocks.0', 'head'], on: 'g0' }] }),
  schedule: z.strictObject({
    kind: z.enum(scheduleNames).meta({ choicesElsewhere: schedulesElsewhere }),
    microbatches: count,
    table: z
      .array(z.string().meta({ example: '0F0 0B0' }))
      .meta({ example: ['0F0 0B0'] })
      .nullable()
      .default(null),
  }),
  batch: z.strictObject({
    logical_microbatches: count,
    sequences: count,
    // Plans of earlier versions had none.
    padding: z.int().nonnegative().default(0),
  }),
  split: z.record(ownName, z.array(z.string()).meta({ example: ['data'] })).meta({ example: { microbatch: ['data'] } }),
  context_method: z.enum(contextMethods).meta({ choicesElsewhere: contextMethodsElsewhere }).optional(),
  context_order: z.enum(contextOrders).optional(),
  bounds: z.record(ownName, z.array(z.int().nonnegative()).meta({ example: [0, 2, 4] })).meta({ example: {} }),
  // Plans of earlier versions had none.
  scopes: z
    .array(
      z
        .strictObject({
          of: z.string().min(1).meta({ example: '*' }),
          made: z.enum(['again', 'reshard']),
          keep: z.enum(['segment and direction', 'slot', 'backward', 'microbatch']).default('backward'),
          ops: z.enum(['all', 'cheap']).default('all'),
        })
        .meta({ example: { of: '*', made: 'again' } }),
    )
    .meta({ example: [{ of: '*', made: 'again' }] })
    .default([]),
  zero: z.strictObject({
    stage: z.literal(zeroStages),
    axes: z.array(z.string()).meta({ example: ['data'] }),
    reshard_after_forward: z.boolean().optional(),
    prefetch: z.int().min(0).optional(),
    persistence_threshold: z.int().min(0).optional(),
    reduce_gradients: z.enum(gradientReductions).optional(),
    bucket_bytes: count.optional(),
  }),
  precision: z.strictObject({
    compute: z.enum(['bf16', 'f32', 'f64']),
    master: z.enum(['f32', 'f64']),
    gradients: z.enum(['bf16', 'f32', 'f64']).optional(),
    reduce: z.enum(reduceDtypes).optional(),
  }),
  reproducible: z.literal(true).optional(),
  ...choices,
  validation: z.strictObject(choices).optional(),
  chosen_for: z.record(ownName, z.string()).meta({ example: {} }).optional(),
  predicted: z.strictObject({ peak_bytes: z.int().nonnegative() }).nullable().meta({ example: null }),
});

/** What one of version 1 holds: pipeline stages, in place of groups and chunks. */
const version1Schema = planSchema.omit({ groups: true, chunks: true }).extend({
  flotilla_plan: z.literal(1),
  stages: z
    .array(
      z.strictObject({
        segments: planSchema.shape.chunks.element.shape.segments,
        mesh: planSchema.shape.groups.valueType.shape.mesh,
      }),
    )
    .min(1)
    .meta({ example: [{ segments: ['embedding', 'blocks.0', 'head'], mesh: { data: 2, tensor: 1 } }] }),
});

/** Throws `plan/invalid` or `plan/version-unknown`. `file`: for messages. */
export function parsePlan(text: string, file: string): Plan {
  let json: unknown;
  try {
    json = parseFields(text);
  } catch (error) {
    const problem = `it is not JSON: ${(error as Error).message}`;
    throw planInvalid({ file, field: '', problem, fix: startFromAPlan }, { cause: error });
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    const problem = `it holds ${textOf(json)} and not an object of fields`;
    throw planInvalid({ file, field: '', problem, fix: startFromAPlan });
  }
  const version = 'flotilla_plan' in json ? json.flotilla_plan : undefined;
  const lifted = liftZeroAxis(json);
  if (version === 1) return liftVersion1(parsedBy(version1Schema, lifted, file));
  if (version !== undefined && version !== planVersion) throw planVersionUnknown({ file, found: version });
  return parsedBy(planSchema, lifted, file);
}

function parsedBy<T extends z.ZodObject>(schema: T, json: unknown, file: string): z.output<T> {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  // An unknown field explains one that is missing.
  const { issues } = parsed.error;
  throw invalid(issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0], schema, json, file);
}

const startFromAPlan =
  'copy the plan.json of a run of this model (runs/NAME/plan.json) and change that, or give sizes such as { "data_parallel_size": 2 }';

function invalid(issue: z.core.$ZodIssue, all: z.core.$ZodType, json: unknown, file: string) {
  const path = issue.path.map(String);
  const field = path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const [key] = issue.keys;
    const known = fieldsOf(schemaAt(all, path));
    const near = nearest(key, known);
    const fix = near ? `write '${near}'` : `remove it; the fields here are ${known.join(', ')}`;
    return planInvalid({ file, field: [...path, key].join('.'), problem: `there is no field '${key}'`, fix });
  }
  if (issue.code === 'invalid_key') {
    const key = path[path.length - 1];
    const written = key
      .replace(/[^\w.]/g, '_')
      .replace(/^(?![A-Za-z_])/, path[0] === 'groups' && path.length === 2 ? 'g' : 'axis_');
    const legal = written in Object.prototype ? `own_${written}` : written;
    const problem =
      legal === written
        ? `'${key}' is no name of an axis or a group: letters, digits, _ and .`
        : `'${key}' is no name: in JavaScript every object has a field that is called so`;
    return planInvalid({ file, field, problem, fix: `write '${legal}'` });
  }
  const value = path.reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], json);
  const schema = schemaAt(all, path);
  const problem =
    value === undefined ? `'${field}' is missing` : `'${field}' is ${textOf(value)}, and must be ${kindOf(schema)}`;
  const legal = isMadeUp(schema, value) ? null : nearestLegal(schema, value);
  const fix = legal === null ? startFromAPlan : `set it to ${JSON.stringify(legal)}`;
  return planInvalid({ file, field, problem, fix });
}

/** The schema, within `all`, of the field at a path; wrappers that only say what may be left out are taken off. */
function schemaAt(all: z.core.$ZodType, path: readonly string[]): z.core.$ZodType {
  return path.reduce<z.core.$ZodType>((at, key) => {
    if (at instanceof z.ZodObject) return schemaOf(at, key);
    if (at instanceof z.ZodArray) return bare(at.element);
    if (at instanceof z.ZodRecord) return bare(at.valueType);
    return at;
  }, all);
}

const bare = (schema: z.core.$ZodType): z.core.$ZodType =>
  schema instanceof z.ZodDefault || schema instanceof z.ZodNullable || schema instanceof z.ZodOptional
    ? bare(schema.unwrap())
    : schema;

const schemaOf = (group: z.ZodObject, name: string): z.core.$ZodType => bare(group.shape[name] as z.core.$ZodType);

const fieldsOf = (schema: z.core.$ZodType): readonly string[] =>
  schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];

/** The values of an enumeration or of a union of literals; null where it is neither. */
function choicesOf(schema: z.core.$ZodType): readonly (string | number | boolean)[] | null {
  if (schema instanceof z.ZodBoolean) return [true, false];
  if (schema instanceof z.ZodEnum) return schema.options;
  if (schema instanceof z.ZodLiteral) return [...schema.values] as (string | number)[];
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => choicesOf(option) ?? []);
  return null;
}

function kindOf(schema: z.core.$ZodType): string {
  const choices = choicesOf(schema);
  if (choices) return choices.map((choice) => JSON.stringify(choice)).join(' or ');
  if (schema instanceof z.ZodNumber) return `a whole number, ${leastOf(schema)} or more`;
  if (schema instanceof z.ZodString) return 'a text';
  if (schema instanceof z.ZodArray) return 'a list';
  return 'an object';
}

/** The value of a field that is not there: what leaving it out means, or a legal one. */
function madeUp(group: z.ZodObject, name: string): unknown {
  const field = group.shape[name] as z.core.$ZodType;
  if (field instanceof z.ZodOptional) return undefined;
  return field instanceof z.ZodDefault ? field.def.defaultValue : nearestLegal(bare(field), undefined);
}

/** The value nearest to a wrong one that the field may have. */
function nearestLegal(schema: z.core.$ZodType, value: unknown): unknown {
  const choices = choicesOf(schema);
  if (choices) {
    if (typeof value === 'number' && typeof choices[0] === 'number') {
      return choices.reduce((a, b) => (Math.abs(Number(b) - value) < Math.abs(Number(a) - value) ? b : a));
    }
    const texts = choices.map(String);
    const { choicesElsewhere } = z.globalRegistry.get(schema) ?? {};
    const near = nearestChoice(String(value), texts, choicesElsewhere) ?? nearest(String(value), texts, Infinity)!;
    return choices[texts.indexOf(near)];
  }
  if (schema instanceof z.ZodNumber) {
    const number = Math.round(Number(value));
    return Number.isSafeInteger(number) && value !== null ? Math.max(leastOf(schema), number) : leastOf(schema);
  }
  const { example } = z.globalRegistry.get(schema) ?? {};
  if (example !== undefined) return example;
  if (schema instanceof z.ZodString) return typeof value === 'number' ? String(value) : '';
  return fieldsOf(schema).reduce<Record<string, unknown>>(
    (made, name) => ({
      ...made,
      [name]: madeUp(schema as z.ZodObject, name),
    }),
    {},
  );
}

/** Whether a value could only be made up: a group of fields that is not there, or what has a text in it, as a hash, that nothing gives. */
function isMadeUp(schema: z.core.$ZodType, value: unknown): boolean {
  if (z.globalRegistry.get(schema)?.example !== undefined) return false;
  if (schema instanceof z.ZodString) return typeof value !== 'number';
  if (!(schema instanceof z.ZodObject)) return false;
  return value === undefined || fieldsOf(schema).some((name) => isMadeUp(schemaOf(schema, name), null));
}

const leastOf = (schema: z.ZodNumber): number =>
  schema.minValue === 0 && !schema.safeParse(0).success ? 1 : Math.max(0, schema.minValue ?? 0);

function textOf(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
