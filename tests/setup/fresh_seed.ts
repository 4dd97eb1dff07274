/** Laws that draw other cases in every run: the seed is printed, and `REPLAY=seed` or `REPLAY=seed:path` repeats it. */
import { randomInt } from 'node:crypto';

export interface FreshSeed {
  readonly seed: number;
  /** Of one failure within the run; absent: the whole run. */
  readonly path?: string;
}

/** A seed of this run alone, or that of `REPLAY`. `law` and `file` are for the line that is printed. */
export function freshSeed(law: string, file: string): FreshSeed {
  const [given, path] = process.env.REPLAY?.split(/:(.*)/) ?? [];
  const seed = given ? Number(given) : randomInt(2 ** 31);
  process.stdout.write(`${law}: seed ${seed}, again with REPLAY=${seed} npx vitest run ${file}\n`);
  return { seed, ...(path && { path }) };
}
