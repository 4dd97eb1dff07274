/** Gather and scatter as native launches: which factors of a table are addressed, shared with the ids, and rows. */
import type { DType } from '../ir/dtype.js';
import type { FactorName } from '../ir/type.js';
import { noScratch, scratchOnCpu } from './device.js';
import {
  grouped,
  inputOf,
  localSizes,
  outputOf,
  type LaunchForm,
  type KernelSite,
  type LaunchOperand,
  type NamedBlock,
} from './site.js';
import { isInteger, isNarrowFloat } from './types.js';
import { workspace } from './workspaces.js';

/** `rows[a s c] = Σ_k table[a, ids[a s k], c]`. */
export const gatherLaunch = (site: KernelSite): LaunchForm | null =>
  indexedLaunch(site, inputOf(site, 0), outputOf(site, 0));

/** `table[a, ids[a s k], c] += rows[a s c]`. */
export const scatterLaunch = (site: KernelSite): LaunchForm | null =>
  indexedLaunch(site, outputOf(site, 0), inputOf(site, 0));

/**
 * The factors fall into roles: `by` are addressed, one operand of ids each; `a` is in table and ids, `s` in rows and ids, `k` in the ids
 * alone, `c` in table and rows. Null where one has no role, or where those of a role do not lie as one dimension.
 */
function indexedLaunch(site: KernelSite, table: NamedBlock, rows: NamedBlock): LaunchForm | null {
  const by = [site.attributes.by as FactorName | readonly FactorName[]].flat();
  const sizes = localSizes(site);
  const ids = [...new Set(site.rule.operands.slice(1).flat())];
  const shared = table.names.filter((name) => !by.includes(name));
  const a = shared.filter((name) => ids.includes(name));
  const c = shared.filter((name) => !ids.includes(name));
  const s = rows.names.filter((name) => ids.includes(name) && !a.includes(name));
  const k = ids.filter((name) => !a.includes(name) && !s.includes(name));
  const gathers = 'output' in rows.of;
  if (!takesTypes(site, table.block.dtype, rows.block.dtype)) return null;
  if (ids.some((name) => by.includes(name)) || c.some((name) => !rows.names.includes(name))) return null;
  if (rows.names.some((name) => ![...a, ...s, ...c].includes(name))) return null;
  if (gathers && a.some((name) => !rows.names.includes(name))) return null;

  const view = ({ block, names, of }: NamedBlock, groups: readonly (readonly FactorName[])[]): LaunchOperand | null => {
    const merged = grouped(block, names, groups, sizes);
    return merged && { of, ...merged };
  };
  const tableView = view(table, [a, ...by.map((name) => [name]), c]);
  const rowsView = view(rows, [a, s, c]);
  const idsViews = site.inputs.slice(1).map((_, i) => view(inputOf(site, i + 1), [a, s, k]));
  if (!tableView || !rowsView || idsViews.some((one) => one === null)) return null;
  if (![tableView, rowsView].every(unitInner)) return null;

  const [first, last] = gathers ? [tableView, rowsView] : [rowsView, tableView];
  const origin = by.map((name) => site.origins[name] ?? 0);
  const rounded = !gathers && table.block.dtype === 'bf16';
  return {
    kernel: gathers ? 'gather' : 'scatter_add',
    operands: [first, ...(idsViews as LaunchOperand[]), last],
    attributes: gathers ? { origin } : { origin, accumulate: site.accumulates[0] ? 1 : 0 },
    // Sums for a bf16 table are made in f32.
    scratchBytes: rounded
      ? scratchOnCpu(workspace('scatter_rounded', { elements: tableView.sizes.reduce((n, size) => n * size, 1) }))
      : noScratch,
  };
}

/** Ids of one type; a table and rows of types that the kernels take together. */
function takesTypes(site: KernelSite, table: DType, rows: DType): boolean {
  const [first, ...rest] = site.inputs.slice(1).map(({ dtype }) => dtype);
  if (rest.some((dtype) => dtype !== first)) return false;
  if (isNarrowFloat(table) && isNarrowFloat(rows)) return true;
  return table === rows && (table === 'f64' || (site.op === 'gather' && isInteger(table)));
}

const unitInner = ({ sizes, strides }: LaunchOperand): boolean => sizes.at(-1) === 1 || strides.at(-1) === 1;
