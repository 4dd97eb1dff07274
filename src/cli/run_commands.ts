/** Commands that read runs: `flotilla runs`, `plot` and `checkpoints`. */
import type { Command } from 'commander';
import { chartOf, checkpointsText, plotRuns, runsText, type PlotOptions } from '../observe/index.js';
import { allVerified, listRunCheckpoints } from '../run/list_checkpoints.js';
import { listRuns } from '../run/list_runs.js';

export function addRunCommands(program: Command): void {
  program
    .command('runs')
    .argument('[directory]', 'a folder of run folders', 'runs')
    .description('list runs: how far each has come, and whether it can be gone on with')
    .action(async (directory: string) => console.log(runsText(await listRuns(directory))));

  program
    .command('plot')
    .argument('<run...>', 'run folders, of runs that have ended or are still going')
    .description('draw the losses of one run or several, beside bigram and unigram: as a picture, and here as text')
    .option('--out <file>', 'where the picture goes, an .svg file; by default loss.svg in the folder of the one run')
    .option('--per <unit>', 'losses by token, in nats, or by byte of text, in bits; by default as the runs compare')
    .option('--log', 'spread steps by their logarithm')
    .action(async (runs: string[], flags: PlotOptions) => {
      const { file, figure, unwritten } = await plotRuns(runs, flags);
      console.log(chartOf(figure, { width: process.stdout.columns ?? 80 }));
      console.log(file === null ? `no picture: ${unwritten}; --out FILE.svg names another place` : `picture: ${file}`);
    });

  program
    .command('checkpoints')
    .argument('<run>', 'a run folder')
    .description(
      'list the checkpoints of a run, each verified to the byte; ends with 1 where one is not as it should be',
    )
    .action(async (run: string) => {
      const listed = await listRunCheckpoints(run);
      console.log(checkpointsText(listed));
      process.exitCode = allVerified(listed) ? 0 : 1;
    });
}
