/**
 * A process that takes and leaves a lock again and again: by releasing it, or by leaving it behind as a process that was killed does.
 * While it holds the lock it makes a file that must not be there yet: two holders at once would end it with an error.
 *
 * Arguments: the folder, rounds. Prints how often it held the lock.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DiagnosticError } from '../../ir/diagnostic.js';
import { lockName, RunLock } from '../lock.js';

const [folder, rounds] = process.argv.slice(2);
let held = 0;
for (let round = 0; round < Number(rounds); round++) {
  try {
    const lock = RunLock.take(folder);
    const inside = join(folder, 'inside');
    writeFileSync(inside, '', { flag: 'wx' });
    held++;
    rmSync(inside);
    if (round % 2 === 0) {
      const path = join(folder, lockName);
      // No process has this number: the highest that Linux gives is 2^22. Whole at once: a lock never says nothing.
      writeFileSync(join(folder, 'dead'), readFileSync(path, 'utf8').replace(/"pid": \d+/, '"pid": 99999999'));
      renameSync(join(folder, 'dead'), path);
    } else lock.release();
  } catch (error) {
    if (!(error instanceof DiagnosticError) || error.code !== 'run/locked') throw error;
  }
}
process.stdout.write(`${held}\n`);
process.exit(0);
