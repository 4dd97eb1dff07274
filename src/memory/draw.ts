import { checkPlacement, type Violation } from './check.js';
import { peakBytes, type MemoryProblem } from './problem.js';

export interface DrawOptions {
  readonly columns?: number;
  readonly rows?: number;
  /** How many buffers to name below the picture, the largest first. */
  readonly legend?: number;
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/**
 * A placement as text: memory upwards, time to the right, a letter a buffer, '.' free, '#' where two buffers in conflict
 * share bytes. A cell shows what lies at its centre, so thin buffers may not appear; letters repeat after 62 buffers.
 * What is wrong with the placement, if anything, is said below.
 *
 *     12 |BBAA
 *      8 |CC.D      A  8 bytes at 0 …
 */
export function drawPlacement(problem: MemoryProblem, offsets: ArrayLike<number>, options: DrawOptions = {}): string {
  const { buffers, timeline } = problem;
  const { legend = 12 } = options;
  const peak = peakBytes(buffers, offsets);
  const columns = Math.max(1, Math.min(options.columns ?? 72, timeline.length));
  const rows = Math.max(1, Math.min(options.rows ?? 16, peak));
  const letter = (i: number) => LETTERS[i % LETTERS.length];

  const cells = Array.from({ length: rows }, () => new Array<number>(columns).fill(FREE));
  buffers.forEach(({ bytes }, i) => {
    for (let row = 0; row < rows; row++) {
      const byte = ((row + 0.5) * peak) / rows;
      if (byte < offsets[i] || byte >= offsets[i] + bytes) continue;
      for (let column = 0; column < columns; column++) {
        const step = Math.floor(((column + 0.5) * timeline.length) / columns);
        if (step < timeline.lower[i] || step >= timeline.upper[i]) continue;
        const other = cells[row][column];
        // Two that may share bytes can stand on one step: the later one is drawn.
        if (other === FREE || other === CLASH) cells[row][column] = other === FREE ? i : CLASH;
        else if (problem.conflicts(i, other)) cells[row][column] = CLASH;
        else if (timeline.lower[i] > timeline.lower[other]) cells[row][column] = i;
      }
    }
  });

  const margin = String(peak).length;
  const picture = cells
    .map((line, row) => {
      const top = String(Math.round(((row + 1) * peak) / rows)).padStart(margin);
      return `${top} |${line.map((i) => (i === FREE ? '.' : i === CLASH ? '#' : letter(i))).join('')}`;
    })
    .reverse();
  const shown = [...buffers.keys()].sort((a, b) => buffers[b].bytes - buffers[a].bytes).slice(0, legend);
  return [
    ...picture,
    `${''.padStart(margin)} +${'-'.repeat(columns)} ${timeline.length} steps`,
    ...shown.map((i) => `  ${letter(i)}  ${buffers[i].id}: ${buffers[i].bytes} bytes at ${offsets[i]}`),
    ...(buffers.length > shown.length ? [`  and ${buffers.length - shown.length} smaller`] : []),
    ...checkPlacement(problem, offsets).map((violation) => `  WRONG ${describeViolation(problem, violation)}`),
  ].join('\n');
}

/** A violation as a sentence. */
export function describeViolation({ buffers }: Pick<MemoryProblem, 'buffers'>, violation: Violation): string {
  const a = buffers[violation.a];
  if (violation.kind === 'overlap')
    return `'${a.id}' and '${buffers[violation.b].id}' share byte ${violation.byte} while both are alive`;
  if (violation.kind === 'misaligned') return `'${a.id}' at ${violation.offset} breaks its alignment`;
  if (violation.kind === 'moved') return `'${a.id}' at ${violation.offset}, given ${a.offset}`;
  return `'${a.id}' has no address (${violation.offset})`;
}

const FREE = -1;
const CLASH = -2;
