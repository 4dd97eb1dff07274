/** Whether a width makes whole heads, which key/value heads can share and rotary positions can turn. */
import type { Conflict } from '../../options/diagnostics.js';
import { divisorsOf } from '../../options/divisors.js';
import { multiplesNear } from '../../options/multiples_near.js';

/** `kv_heads`: null where there are as many as heads. */
export interface Heads {
  readonly dim: number;
  readonly heads: number;
  readonly kv_heads: number | null;
}

/** Contradictions between the fields; `rotary`: whether features are turned in pairs. */
export function headConflicts(sizes: Heads, { rotary }: { readonly rotary: boolean }): readonly Conflict[] {
  const { dim, heads, kv_heads } = sizes;
  const fix = () => `set ${widthsAndHeads(sizes, rotary)}`;
  const options = ['model.dim', 'model.heads'];
  if (dim % heads !== 0)
    return [{ options, problem: `a width of ${dim} cannot be cut into ${heads} heads`, fix: fix() }];
  if (kv_heads !== null && heads % kv_heads !== 0) {
    return [
      {
        options: ['model.kv_heads', 'model.heads'],
        problem: `${heads} heads cannot share ${kv_heads} key/value heads evenly`,
        fix: `set model.kv_heads to one of ${divisorsOf(heads).join(', ')}`,
      },
    ];
  }
  if (!rotary || (dim / heads) % 2 === 0) return [];
  const problem = `rotary positions need an even head size, and dim / heads is ${dim / heads}`;
  return [{ options, problem, fix: fix() }];
}

/** `model.dim to 30 or 35, or model.heads to 4 or 8`: each of them alone makes whole heads, of even size where positions are rotary, and
 * shared by the key/value heads where these are not as many by themselves. */
function widthsAndHeads({ dim, heads, kv_heads }: Heads, rotary: boolean): string {
  const isLegal = (one: number) =>
    dim % one === 0 && (!rotary || (dim / one) % 2 === 0) && (kv_heads === null || one % kv_heads === 0);
  const legal = Array.from({ length: Math.min(dim, mostHeads) }, (_, i) => i + 1).filter(isLegal);
  const near = [legal.findLast((one) => one < heads), legal.find((one) => one > heads)].filter(
    (one) => one !== undefined,
  );
  const widths = multiplesNear(dim, rotary ? 2 * heads : heads).join(' or ');
  return `model.dim to ${widths}${near.length > 0 ? `, or model.heads to ${near.join(' or ')}` : ''}`;
}

/** More heads than any model has: no more are looked through for those that divide a width. */
const mostHeads = 4096;
