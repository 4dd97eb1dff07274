/** The loop that gather and scatter share. */
import type { ReferenceCall } from '../ir/op.js';
import type { FactorName } from '../ir/type.js';
import { nameList } from './bind.js';
import { loopsOver, nest, strideOf } from './strides.js';

/**
 * Visits (offset in `table`, offset in `rows`) for every row whose ids lie in the local block of the table. The ids are the operands
 * from the second on, one for each factor in `by`; ids are global, the block starts at the origin.
 */
export function indexedLoop(
  { rule, attributes, sizes, origins, inputs }: ReferenceCall,
  table: readonly FactorName[],
  rows: readonly FactorName[],
  visit: (tableOffset: number, rowOffset: number) => void,
): void {
  const by = nameList(attributes, 'by');
  const strides = by.map((factor) => strideOf(table, sizes, factor));
  const free = Object.keys(rule.factors).filter((name) => !by.includes(name));
  // Rows first, in their order: scatter then adds them in the order of rows.
  const factors = [...rows.filter((name) => free.includes(name)), ...free.filter((name) => !rows.includes(name))];
  const ids = inputs.slice(1);
  const arrays = 2 + ids.length;
  const loops = loopsOver(factors, sizes, [rows, ...rule.operands.slice(1), table]);
  nest(loops, arrays, (offsets) => {
    let at = offsets[arrays - 1];
    for (let k = 0; k < ids.length; k++) {
      const local = ids[k][offsets[1 + k]] - (origins[by[k]] ?? 0);
      if (!(local >= 0 && local < sizes[by[k]])) return;
      at += local * strides[k];
    }
    visit(at, offsets[0]);
  });
}
