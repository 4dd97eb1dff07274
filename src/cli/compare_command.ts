/** `flotilla compare`. */
import type { Command } from 'commander';
import { compareRuns, compareWithSerial, comparisonText, serialComparisonText } from '../compare/index.js';
import { stepOfFlag } from '../compare/step_of_flag.js';
import { choiceOf, example, withModel, type Flags } from './command.js';

export function addCompareCommand(program: Command): void {
  withModel(
    program
      .command('compare')
      .argument('<run>', 'a run folder')
      .argument('[other]', 'another; absent: steps of the run are held against the same steps on one rank'),
  )
    .description(
      'say where two runs of a model part: in data, seed, state, or in which value of which step, made by which instruction; ends with 1 where they do',
    )
    .option('--step <number>', 'the step that is taken again, from 1; by default the first that differs')
    .addHelpText('after', example('flotilla compare runs/before runs/after', 'flotilla compare runs/after --step 100'))
    .action(async (run: string, other: string | undefined, flags: Flags & { step?: string }) => {
      const options = { ...choiceOf(flags), ...(flags.step !== undefined && { step: stepOfFlag(flags.step) }) };
      if (other === undefined) {
        const comparison = await compareWithSerial(run, options);
        console.log(serialComparisonText(comparison));
        process.exitCode = comparison.verdict === 'rounding' ? 0 : 1;
      } else {
        const comparison = await compareRuns(run, other, options);
        console.log(comparisonText(comparison));
        process.exitCode = ['same', 'rounding'].includes(comparison.verdict) ? 0 : 1;
      }
    });
}
