/** Reading plan files: checked whole, so that a wrong field is said by name before anything runs. */
import { z } from 'zod';
import { planInvalid, planVersionUnknown } from './diagnostics.js';
import { planVersion, type Plan } from './plan.js';

const count = z.int().positive();
const axes = z.record(z.string(), count);

const planSchema = z.strictObject({
  flotilla_plan: z.literal(planVersion),
  model: z.strictObject({ name: z.string(), hash: z.string() }),
  stages: z.array(z.strictObject({ segments: z.array(z.string()), mesh: axes })).min(1),
  schedule: z.strictObject({ kind: z.enum(['gpipe', '1f1b']), microbatches: count }),
  batch: z.strictObject({
    logical_microbatches: count,
    sequences: count,
    // Plans of earlier versions had none.
    padding: z.int().nonnegative().default(0),
  }),
  split: z.record(z.string(), z.array(z.string())),
  bounds: z.record(z.string(), z.array(z.int().nonnegative())),
  zero: z.strictObject({ stage: z.union([z.literal(0), z.literal(1)]), axis: z.string() }),
  precision: z.strictObject({ compute: z.enum(['bf16', 'f32', 'f64']), master: z.enum(['f32', 'f64']) }),
  predicted: z.strictObject({ peak_bytes: z.int().nonnegative() }).nullable(),
});

/** Throws `plan/invalid` or `plan/version-unknown`. `file`: for messages. */
export function parsePlan(text: string, file: string): Plan {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw planInvalid({ file, field: '', problem: `it is not JSON: ${(error as Error).message}` }, { cause: error });
  }
  const version = typeof json === 'object' && json !== null && 'flotilla_plan' in json ? json.flotilla_plan : undefined;
  if (version !== undefined && version !== planVersion) throw planVersionUnknown({ file, found: version });
  const parsed = planSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0];
  throw planInvalid({ file, field: path.join('.'), problem: message });
}
