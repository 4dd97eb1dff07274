import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { runMinimalloc } from '../bench/memory/minimalloc.js';

test('the memory bench reads problems from a folder and reports a row each', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'flotilla-minimalloc-'));
  try {
    // The first half, the second half, and one alive throughout: 8 + 4 bytes.
    writeFileSync(path.join(directory, 'halves.12.csv'), 'id,lower,upper,size\na,0,5,8\nb,5,10,8\nc,0,10,4\n');
    writeFileSync(path.join(directory, 'tight.7.csv'), 'id,lower,upper,size\na,0,5,8\n');
    writeFileSync(path.join(directory, 'LICENSE'), 'not a problem');
    const lines: string[] = [];
    const rows = runMinimalloc(directory, { print: (line) => lines.push(line) });
    expect(rows).toMatchObject([
      {
        name: 'memory/minimalloc/halves',
        unit: 'bytes',
        ours: 12,
        peers: { capacity: 12 },
        ratio: 1,
        target: 1,
        bound: 12,
      },
      { name: 'memory/minimalloc/tight', ours: 8, ratio: 7 / 8, bound: 8 },
    ]);
    expect(lines.at(-1)).toContain('does not fit');
  } finally {
    rmSync(directory, { recursive: true });
  }
});
