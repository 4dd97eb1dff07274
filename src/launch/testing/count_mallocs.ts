import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { packageRoot } from '../../engine/native/package_root.js';
import { launch } from '../launch.js';
import type { RankWork } from './rank_main.js';
import { built } from '../../../tests/setup/built.js';

export interface MallocCounts {
  /** Allocations of the addon's own code in the counted steps. */
  readonly steps: number;
  /** Those of the whole process, loading included: shows that the counter works. */
  readonly whole: number;
}

/** Runs rank processes under native/preload/count_mallocs.cpp; the counts by rank. */
export async function countMallocs(work: RankWork): Promise<readonly MallocCounts[]> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-mallocs-'));
  try {
    const preload = path.join(folder, 'count_mallocs.so');
    const source = path.join(packageRoot(), 'native', 'preload', 'count_mallocs.cpp');
    execFileSync(process.env.CXX ?? 'c++', ['-std=c++20', '-O1', '-shared', '-fPIC', '-o', preload, source, '-ldl']);
    const file = path.join(folder, 'work.json');
    writeFileSync(file, JSON.stringify(work));
    const rankMain = built(new URL('rank_main.ts', import.meta.url));
    // The launcher gives all ranks one environment; each counts into the file of its own rank.
    const shell = `FLOTILLA_MALLOC_COUNTS=${folder}/counts.$RANK LD_PRELOAD=${preload} exec "$0" "$@"`;
    const node = [process.execPath, rankMain, file];
    await launch({ ranks: work.programs.length, command: 'sh', args: ['-c', shell, ...node] });
    return work.programs.map((_, rank) => ({
      steps: Number(readFileSync(path.join(folder, `mallocs.${rank}`), 'utf8')),
      whole: Number(readFileSync(path.join(folder, `counts.${rank}`)).readBigUInt64LE(0)),
    }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
