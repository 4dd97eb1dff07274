/**
 * Prints where every buffer of a program lies, and when: what `--dump-ir=after:assign_memory` shows.
 *
 *   class 'group 0': arena of 128 bytes, 3 launches
 *     from   bytes
 *        0      64  |==.|  x of microbatch 0          from the first launch that touches it to the last; data is there from the start
 *        0      64  |..=|  tanh of microbatch 0       a column is a launch, or several where there are more than fit
 *       64      64  |===|  w                          persistent values and results stay
 */
import type { Program, RankClass } from '../program/program.js';
import { launchCount } from '../program/unroll.js';
import { staysOf, type Stay } from './stays.js';

export const printMemory = (program: Program): string => program.classes.map(printClass).join('\n\n');

function printClass(rankClass: RankClass): string {
  const launches = launchCount(rankClass);
  const stays = [...staysOf(rankClass)].sort((a, b) => a.from - b.from || a.begins - b.begins);
  const width = Math.max(5, String(rankClass.arenaBytes).length);
  const cells = (from: unknown, bytes: unknown) =>
    `  ${String(from).padStart(width)}  ${String(bytes).padStart(width)}`;
  return [
    `class '${rankClass.name}': arena of ${rankClass.arenaBytes} bytes, ${launches} launches`,
    cells('from', 'bytes'),
    ...stays.map((stay) => `${cells(stay.from, stay.bytes)}  |${bar(stay, launches)}|  ${stay.name}`),
  ].join('\n');
}

const mostColumns = 60;

/** One column a launch; where there are too many, each stands for as many as it takes. */
function bar({ begins, ends }: Stay, launches: number): string {
  const columns = Math.min(launches, mostColumns);
  const column = (launch: number) => Math.floor((launch * columns) / launches);
  const [first, last] = [column(begins), column(ends)];
  return `${'.'.repeat(first)}${'='.repeat(last - first + 1)}${'.'.repeat(columns - 1 - last)}`;
}
