/** `flotilla compare`. */
import type { Command } from 'commander';
import { compareRuns, comparisonText } from '../compare/index.js';
import { choiceOf, example, withModel, type Flags } from './command.js';

export function addCompareCommand(program: Command): void {
  withModel(program.command('compare').argument('<run>', 'a run folder').argument('<other>', 'another'))
    .description('say where two runs of a model part: in data, seed, state, or in a step; ends with 1 where they do')
    .addHelpText('after', example('flotilla compare runs/before runs/after'))
    .action(async (run: string, other: string, flags: Flags) => {
      const comparison = await compareRuns(run, other, choiceOf(flags));
      console.log(comparisonText(comparison));
      process.exitCode = comparison.verdict === 'same' ? 0 : 1;
    });
}
