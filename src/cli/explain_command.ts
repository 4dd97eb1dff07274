/** `flotilla explain`. */
import type { Command } from 'commander';
import { dumpPoint } from '../train/dump_point.js';
import { explanationText } from '../train/explanation_text.js';
import { explainTarget } from '../train/explain_target.js';
import { choiceOf, withModel, type Flags } from './command.js';
import { addOptionFlags, overridesOf } from './flags.js';

export function addExplainCommand(program: Command): void {
  withModel(addOptionFlags(program.command('explain').argument('<target>', 'a run folder or a configuration')))
    .description(
      'print every reshard of a plan, with the op that asked for it, each choice with its price, and where memory goes',
    )
    .option(
      '--checkpoint <step>',
      'also say whether the checkpoint of this step of the run fits (40, step-000040 or latest)',
    )
    .option('--dump-ir <point>', 'print the training step after a pass instead: after:trace, after:partition, …')
    .action(async (target: string, flags: Flags & { plan?: string; dumpIr?: string; checkpoint?: string }) => {
      const { plan, dumpIr, checkpoint, ...others } = flags;
      // A plan file is explained on as many ranks as it is for.
      const options = { planFile: plan, overrides: overridesOf(others), checkpoint, ...choiceOf(flags) };
      if (dumpIr === undefined) return console.log(explanationText(await explainTarget(target, options)));
      const point = dumpPoint(dumpIr);
      const observe = (pass: string, print: () => string) => pass === point && console.log(print());
      await explainTarget(target, { ...options, observe });
    });
}
