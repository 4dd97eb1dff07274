/** A value that is off, in words. */
import type { OffValue } from './off_value.js';

export function offText(off: OffValue): readonly string[] {
  const { run, name, graph, microbatch, rank, element, exact, found, distance, allowed, others, instruction, op } = off;
  const where = [
    ...(graph === 'step' && microbatch !== null ? [`microbatch ${microbatch}`] : []),
    `rank ${rank}`,
    element,
  ];
  const other = run === 'B' ? 'A' : 'B';
  return [
    `first off: ${name} of ${run}, ${where.filter((part) => part !== '').join(', ')}`,
    `  serial ${number(exact)}, ${run} ${number(found)}${ratioText(exact, found)}`,
    `  off by ${number(distance)}, allowed ${number(allowed)}${others === null ? '' : `; ${other} is off by ${number(others)}`}`,
    `  made by ${instruction}`,
    `  in ${op}`,
  ];
}

/** `: 2 × as much`; nothing where there is no ratio to tell. */
function ratioText(exact: number, found: number): string {
  const ratio = found / exact;
  return Number.isFinite(ratio) && exact !== 0 ? `: ${Number(ratio.toPrecision(4))} × as much` : '';
}

const number = (x: number): string => String(Number(x.toPrecision(7)));
