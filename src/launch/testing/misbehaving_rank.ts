/** A rank for the launcher's tests. Its first argument says how rank 1 behaves; the other ranks wait for ever. */
import { defineDiagnostic } from '../../ir/diagnostic.js';
import { rankFromEnvironment } from '../environment.js';
import { runRank } from '../rank_process.js';

const lossIsNaN = defineDiagnostic('test/loss-is-nan', (p: { step: number }) => ({
  what: `the loss is not a number at step ${p.step}`,
  where: [{ at: 'blocks.3.mlp' }],
  fix: 'lower the learning rate',
}));

const behaviour = process.argv[2];
const environment = rankFromEnvironment()!;
const forever = () => new Promise<void>(() => setInterval(() => {}, 1000));

await runRank(environment, async () => {
  console.log(`rank ${environment.rank} of ${environment.worldSize}, pid ${process.pid}`);
  if (behaviour === 'stubborn') process.on('SIGTERM', () => console.log('not now'));
  if (behaviour === 'slow') {
    // A step that takes its time, and a save.
    process.on('SIGTERM', () => {});
    process.on('SIGINT', () => setTimeout(() => (console.log('saved'), process.exit(0)), 1500));
  }
  if (environment.rank !== 1) return behaviour === 'succeed' ? undefined : forever();
  switch (behaviour) {
    case 'succeed':
      process.send?.({ loss: 1.5 });
      return;
    case 'diagnostic':
    case 'stubborn':
      throw lossIsNaN({ step: 7 });
    case 'error':
      throw new TypeError('x is not a function');
    case 'crash':
      process.stderr.write('about to crash\n');
      process.abort();
      return;
    case 'killed':
      process.kill(process.pid, 'SIGKILL');
      return;
    default:
      return forever();
  }
});
