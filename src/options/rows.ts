/** A schema of options as rows, one an option: what help texts, pages, messages and flags are made from. */
import { z } from 'zod';
import type { NamesElsewhere } from '../ir/nearest_choice.js';
import type { OptionFacts } from './field.js';
import { dashed } from './names.js';

export interface OptionRow {
  /** `optimizer.lr` */
  readonly path: string;
  /** `integer`, `number or null`, `'bf16' | 'f32' | 'f64'`, … */
  readonly type: string;
  /** The strings that are legal, where only these are; empty where others are too. */
  readonly choices: readonly string[];
  /** Names of these elsewhere. */
  readonly choicesElsewhere: NamesElsewhere;
  /** Null where the value is not a quantity. */
  readonly unit: string | null;
  /** As JSON; null where the field must be given. */
  readonly default: string | null;
  /** `> 0`, `≥ 0 and ≤ 1`; null where any value of the type is legal. */
  readonly range: string | null;
  readonly description: string;
  /** What changes when the value does. */
  readonly effect: string | null;
  /** The name of its command-line flag, without dashes; null where it has none of its own. */
  readonly flag: string | null;
  /** Its names elsewhere. */
  readonly also: readonly string[];
  /** Whether the row is a group of other rows. */
  readonly group: boolean;
  /** The model families that have the field, where not all have. */
  readonly families: readonly string[] | null;
}

/** All options of a schema, each group before its fields, in the order of the schema. */
export function optionRows(schema: z.ZodType): readonly OptionRow[] {
  const rows: OptionRow[] = [];
  visit('', z.toJSONSchema(schema, { io: 'input' }) as JsonSchema, null, rows);
  return mergeFamilies(rows.filter(({ path }) => path !== ''));
}

/** The part of JSON Schema that zod writes for an option, with our own facts beside it. */
interface JsonSchema extends Partial<OptionFacts> {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly exclusiveMaximum?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

function visit(path: string, schema: JsonSchema, family: string | null, rows: OptionRow[]): void {
  const variants = schema.anyOf ?? schema.oneOf ?? [schema];
  const objects = variants.filter(({ properties }) => properties);
  rows.push({
    path,
    type: typeText(schema),
    choices: variants.flatMap(choicesOf),
    choicesElsewhere: schema.choicesElsewhere ?? {},
    unit: schema.unit ?? null,
    default: schema.default === undefined ? null : JSON.stringify(schema.default),
    range: variants.map(rangeText).find((text) => text !== null) ?? null,
    description: schema.description ?? '',
    effect: schema.effect ?? null,
    flag: schema.flag === true ? dashed(leafOf(path)) : (schema.flag ?? null),
    also: schema.also ?? [],
    group: objects.length > 0,
    families: family === null ? null : [family],
  });
  for (const object of objects) {
    const discriminator = object.properties?.family?.const;
    for (const [name, field] of Object.entries(object.properties ?? {})) {
      visit(
        path === '' ? name : `${path}.${name}`,
        field,
        typeof discriminator === 'string' ? discriminator : family,
        rows,
      );
    }
  }
}

/** `lr` of `optimizer.lr`. */
export const leafOf = (path: string): string => path.slice(path.lastIndexOf('.') + 1);

/** `optimizer` of `optimizer.lr`; empty at the top. */
export const groupOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('.')));

/** A field that several families share is one row, listed where the first has it. */
function mergeFamilies(rows: readonly OptionRow[]): OptionRow[] {
  const families = new Set(rows.flatMap((row) => row.families ?? []));
  const merged = new Map<string, OptionRow>();
  for (const row of rows) {
    const key = `${row.path} ${row.path.endsWith('.family') ? '' : row.description}`;
    const earlier = merged.get(key);
    merged.set(key, earlier ? join(earlier, row) : row);
  }
  return [...merged.values()].map((row) => (row.families?.length === families.size ? { ...row, families: null } : row));
}

function join(a: OptionRow, b: OptionRow): OptionRow {
  const families = a.families && b.families ? [...a.families, ...b.families] : null;
  // Only the discriminator differs between families: its values are alternatives, and the first is the default.
  if (a.type === b.type) return { ...a, families, default: bothDefaults(a, b) };
  return {
    ...a,
    families,
    type: `${a.type} | ${b.type}`,
    choices: [...a.choices, ...b.choices],
    description: `${a.description} ${b.description}`,
    default: firstOf(a),
  };
}

/** `10000`, or where families differ `10000 (llama), 1000000 (mixtral, qwen)`. `a` may stand for several already. */
function bothDefaults(a: OptionRow, b: OptionRow): string | null {
  if (a.default === b.default || a.path.endsWith('.family')) return a.default;
  const named = /\)$/.test(a.default ?? '') ? a.default! : `${a.default} (${a.families?.join(', ')})`;
  const parts = named.split(/(?<=\)), /);
  const same = parts.findIndex((part) => part.startsWith(`${b.default} (`));
  if (same < 0) return [...parts, `${b.default} (${b.families?.join(', ')})`].join(', ');
  return parts.with(same, parts[same].replace(/\)$/, `, ${b.families?.join(', ')})`)).join(', ');
}

const firstOf = ({ type, default: value }: OptionRow): string => value ?? type.split(' | ')[0].replaceAll("'", '"');

function typeText(schema: JsonSchema): string {
  const variants = schema.anyOf ?? schema.oneOf;
  if (variants)
    return variants
      .map(typeText)
      .filter((text, k, all) => all.indexOf(text) === k)
      .join(' or ');
  if (schema.const !== undefined) return literalText(schema.const);
  if (schema.enum) return schema.enum.map(literalText).join(' | ');
  if (schema.type === 'array') {
    if (!schema.items) return 'list of anythings';
    const range = rangeText(schema.items);
    return `list of ${typeText(schema.items)}s${range === null ? '' : ` ${range}`}`;
  }
  return [schema.type ?? 'anything'].flat().join(' or ');
}

function choicesOf(schema: JsonSchema): readonly string[] {
  const values = schema.const === undefined ? (schema.enum ?? []) : [schema.const];
  return values.filter((value) => typeof value === 'string');
}

const literalText = (value: unknown): string => (typeof value === 'string' ? `'${value}'` : JSON.stringify(value));

function rangeText(schema: JsonSchema): string | null {
  // The bounds of exact integers say nothing about the option.
  const bound = (value: number | undefined) =>
    value === undefined || Math.abs(value) === Number.MAX_SAFE_INTEGER ? null : String(value);
  const { minimum, exclusiveMinimum, maximum, exclusiveMaximum } = schema;
  const low =
    bound(minimum) !== null ? `≥ ${minimum}` : bound(exclusiveMinimum) !== null ? `> ${exclusiveMinimum}` : null;
  const high =
    bound(maximum) !== null ? `≤ ${maximum}` : bound(exclusiveMaximum) !== null ? `< ${exclusiveMaximum}` : null;
  return low && high ? `${low} and ${high}` : (low ?? high);
}
