/** A class's proof, and a fault by itself, as text for a process that has not made it. */
import { z } from 'zod';
import { DiagnosticError } from '../ir/diagnostic.js';
import type { Lane } from '../program/program.js';
import type { ClassDigest } from './digest.js';
import type { ClassProof } from './verify.js';

export const proofText = ({ faults, digest }: ClassProof): string =>
  JSON.stringify({ faults: faults.map(fieldsOf), digest });

/** The proof that a text is of; null where it is of none: whoever wrote it is of another version. */
export function parseProof(text: string): ClassProof | null {
  const parsed = proofSchema.safeParse(jsonOf(text));
  if (!parsed.success) return null;
  const { faults, digest } = parsed.data;
  return { faults: faults.map(errorOf), digest };
}

export const faultText = (fault: DiagnosticError): string => JSON.stringify(fieldsOf(fault));

/** The fault that a text is of; null where it is of none. */
export function parseFault(text: string): DiagnosticError | null {
  const parsed = faultSchema.safeParse(jsonOf(text));
  return parsed.success ? errorOf(parsed.data) : null;
}

const fieldsOf = ({ code, diagnostic }: DiagnosticError) => ({ code, ...diagnostic });
const errorOf = ({ code, ...diagnostic }: z.infer<typeof faultSchema>): DiagnosticError =>
  new DiagnosticError(code, diagnostic);

/** What a text says; null where it is no JSON. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const count = z.int().nonnegative();
const meeting = { lane: count, text: z.string(), index: count, title: z.string(), of: z.string() };

const lineSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.enum(['signal', 'wait']), lane: count, event: count, each: z.boolean() }),
  z.strictObject({ kind: z.literal('collective'), ...meeting, axes: z.array(z.string()) }),
  z.strictObject({
    kind: z.enum(['send', 'receive']),
    ...meeting,
    each: z.boolean(),
    peers: z.array(count.nullable()),
  }),
]);

const digestSchema: z.ZodType<ClassDigest> = z
  .strictObject({
    name: z.string(),
    group: count,
    ranks: z.array(count).min(1),
    microbatches: count,
    lanes: z.array(z.custom<Lane>((lane) => typeof lane === 'string')),
    templates: z.array(z.strictObject({ name: z.string(), lines: z.array(lineSchema) })),
    schedule: z.array(z.strictObject({ template: count, microbatch: count })),
  })
  .refine(({ templates, schedule }) => schedule.every(({ template }) => template < templates.length))
  .refine(({ lanes, templates }) => templates.every(({ lines }) => lines.every(({ lane }) => lane < lanes.length)));

const faultSchema = z.strictObject({
  code: z.string(),
  what: z.string(),
  why: z.string().optional(),
  where: z.array(z.strictObject({ at: z.string(), note: z.string().optional() })).optional(),
  fix: z.string(),
});

/** Without a digest there is a fault that says why. */
const proofSchema = z
  .strictObject({ faults: z.array(faultSchema), digest: digestSchema.nullable() })
  .refine(({ faults, digest }) => digest !== null || faults.length > 0);
