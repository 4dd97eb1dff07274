/**
 * What a value is that a graph takes or gives: how graphs, programs and hosts know each other's values. Nothing is told from names; a
 * parameter may have any name.
 *
 *   parameter w            w itself
 *   state exp_avg of w     what the optimizer keeps beside it
 *   gradient of w @ 1      what chunk 1 contributes to its gradient; without a chunk, all of it
 *   data tokens            written by the host before each step, one for each microbatch
 *   scalar lr              written by the host once a step
 *   result loss_sum        read after a step, or by the update: a sum over microbatches
 *
 * A bucket counts as a parameter: it is stored, differentiated and updated as one.
 */
import type { InputKind } from './graph.js';

export type Role =
  | { readonly kind: 'parameter'; readonly of: string }
  | { readonly kind: 'state'; readonly of: string; readonly slot: string }
  | { readonly kind: 'gradient'; readonly of: string; readonly chunk: number | null }
  | { readonly kind: 'data' | 'scalar' | 'result'; readonly name: string };

/** Written before each step, one for each microbatch. */
export const dataInputs = ['tokens', 'labels', 'document_starts', 'document_ends', 'microbatch'] as const;
/** Written once a step: of randomness, of the update, and of what terms of a loss are averaged over. */
export const scalarInputs = ['seed', 'step', 'lr', 'correction1', 'correction2', 'tokens_per_microbatch'] as const;
/** Read after a step. */
export const results = ['loss_sum', 'tokens', 'logits', 'gradient_norm', 'skipped'] as const;

export type DataInput = (typeof dataInputs)[number];
export type ScalarInput = (typeof scalarInputs)[number];
export type ResultName = (typeof results)[number];

export const parameterRole = (of: string): Role => ({ kind: 'parameter', of });
export const stateRole = (of: string, slot: string): Role => ({ kind: 'state', of, slot });
export const gradientRole = (of: string, chunk: number | null = null): Role => ({ kind: 'gradient', of, chunk });
export const resultRole = (name: string): Role => ({ kind: 'result', name });
/** Of a term of a loss, its sum over a step. */
export const termRole = (term: string): Role => resultRole(`sum of ${term}`);

/** What a graph input is that has a name of its own. */
export const roleOfInput = (name: string, kind: Exclude<InputKind, 'state'>): Role =>
  kind === 'parameter' ? parameterRole(name) : { kind: kind === 'value' ? 'result' : kind, name };

export const kindOf = ({ kind }: Role): InputKind => (kind === 'gradient' || kind === 'result' ? 'value' : kind);

/** The parameter or bucket that it belongs to, or is; null: it belongs to none. */
export const ownerOf = (role: Role): string | null => ('of' in role ? role.of : null);

/** What belongs to another as `role` belongs to its owner. */
export const roleWith = (role: Role, of: string): Role => ('of' in role ? { ...role, of } : role);

/**
 * The name under which people, hosts and checkpoints see it: `w`, `gradient.w`, `optimizer.exp_avg.w`, `tokens`. Values of one kind of place
 * (inputs, outputs) with other roles have other names, so it serves as a key; nobody reads it back.
 */
export function nameOf(role: Role): string {
  switch (role.kind) {
    case 'parameter':
      return written(role.of);
    case 'state':
      return `optimizer.${role.slot}.${written(role.of)}`;
    case 'gradient':
      return `gradient.${written(role.of)}${role.chunk === null ? '' : ` @${role.chunk}`}`;
    default:
      return role.name;
  }
}

const spoken: ReadonlySet<string> = new Set([...dataInputs, ...scalarInputs, ...results]);

/** A parameter's name within other names: as it is, but in quotes where it could be taken for another value's, or means something to JavaScript. */
export function written(name: string): string {
  const plain = /^(?!gradient\.|optimizer\.|__metadata__$)[\p{L}\p{N}_$-]+(\.[\p{L}\p{N}_$-]+)*$/u.test(name);
  return plain && !spoken.has(name) && !(name in Object.prototype) ? name : JSON.stringify(name);
}

/** A role as a key of maps. */
export const roleKey = (role: Role): string => ('of' in role ? nameOf(role) : `${role.kind} ${role.name}`);

export function sameRole(a: Role, b: Role): boolean {
  const [mine, its]: readonly Parts[] = [a, b];
  return (
    mine.kind === its.kind &&
    mine.of === its.of &&
    mine.slot === its.slot &&
    mine.chunk === its.chunk &&
    mine.name === its.name
  );
}

/** What roles of one kind or another have. */
interface Parts {
  readonly kind: string;
  readonly of?: string;
  readonly slot?: string;
  readonly chunk?: number | null;
  readonly name?: string;
}

/** What of these has a role; undefined: nothing. */
export const inRole = <T extends { readonly role: Role }>(list: readonly T[], role: Role): T | undefined =>
  list.find((one) => sameRole(one.role, role));
