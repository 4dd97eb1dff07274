/**
 * The memory planner on google/minimalloc's problems: CSV files of buffers with intervals, each named NAME.CAPACITY.csv
 * after a capacity in which a placement is known to exist. The data are not part of this project.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { checkPlacement, intervalProblem, planMemory, type IntervalBuffer } from '../../src/memory/index.js';

export interface MinimallocRow {
  readonly name: string;
  readonly unit: 'bytes';
  /** Peak of our placement. */
  readonly ours: number;
  readonly peers: { readonly capacity: number };
  /** capacity ÷ ours: 1 or more where it fits. */
  readonly ratio: number;
  readonly target: 1;
  readonly buffers: number;
  /** Largest sum of bytes alive at once. */
  readonly bound: number;
  readonly seconds: number;
  readonly nodes: number;
}

export interface MinimallocOptions {
  /** Search nodes per problem. */
  readonly searchNodes?: number;
  readonly budgetMilliseconds?: number;
  readonly print?: (line: string) => void;
}

/** Places every problem in a folder within its capacity, printing a line each. Throws if a placement is wrong. */
export function runMinimalloc(directory: string, options: MinimallocOptions = {}): MinimallocRow[] {
  const { searchNodes = 5_000_000, budgetMilliseconds = 120_000, print = console.log } = options;
  print('problem   buffers       bound      placed    capacity   seconds     nodes');
  const files = readdirSync(directory).filter((file) => /\.\d+\.csv$/.test(file));
  return files.sort().map((file) => {
    const [name, capacity] = [file.split('.')[0], Number(file.split('.').at(-2))];
    const buffers = parseMinimalloc(readFileSync(path.join(directory, file), 'utf8'));
    const began = performance.now();
    const problem = intervalProblem(buffers);
    const plan = planMemory(problem, { capacity, searchNodes, budgetMilliseconds, clock: () => performance.now() });
    const seconds = (performance.now() - began) / 1000;
    const wrong = checkPlacement(problem, plan.offsets);
    if (wrong.length > 0) throw new Error(`${file}: the placement is wrong: ${JSON.stringify(wrong[0])}`);
    const { peakBytes: ours, boundBytes: bound, nodes } = plan;
    print(
      [
        name.padEnd(8),
        String(buffers.length).padStart(8),
        ...[bound, ours, capacity].map((bytes) => String(bytes).padStart(11)),
        seconds.toFixed(2).padStart(9),
        String(nodes).padStart(9),
        ours <= capacity ? '' : '  does not fit',
      ].join(' '),
    );
    return {
      name: `memory/minimalloc/${name}`,
      unit: 'bytes',
      ours,
      peers: { capacity },
      ratio: capacity / ours,
      target: 1,
      buffers: buffers.length,
      bound,
      seconds,
      nodes,
    };
  });
}

/** Reads minimalloc's CSV: a header naming id, lower, upper (exclusive) and size, in any order; any address will do. */
export function parseMinimalloc(csv: string): IntervalBuffer[] {
  const [header, ...lines] = csv.trim().split(/\r?\n/);
  const columns = header.split(',').map((column) => column.trim());
  return lines.map((line) => {
    const cells = line.split(',');
    const cell = (column: string) => cells[columns.indexOf(column)];
    return {
      id: cell('id'),
      start: Number(cell('lower')),
      end: Number(cell('upper')),
      bytes: Number(cell('size')),
      alignment: 1,
    };
  });
}
