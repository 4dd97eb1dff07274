/** `flotilla train`, `demo` and `resume`. */
import { Option, type Command } from 'commander';
import { demoOptions } from '../config/demo.js';
import type { WrittenOverride } from '../config/overrides.js';
import { stoppedStatus } from '../launch/signals.js';
import type { TrainResult } from '../launch/start_job.js';
import { resumeRun, trainFile, trainWith } from '../launch/train.js';
import { summaryFile } from '../observe/index.js';
import { afterTraining } from '../train/after_training.js';
import { choiceOf, example, withModel, type Flags } from './command.js';
import { addOptionFlags, overridesOf } from './flags.js';
import { surroundings } from './surroundings.js';

export function addTrainCommands(program: Command): void {
  withModel(withJson(addOptionFlags(program.command('train').argument('<config>', 'a .ts, .json or .yaml file'))))
    .description('train what a configuration describes')
    .addHelpText(
      'after',
      example(
        'flotilla train config.yaml --steps 100',
        'flotilla train config.ts --ranks 4 --tensor-parallel-size 2 --set optimizer.weight_decay=0.01',
      ),
    )
    .addOption(otherName)
    .action((config: string, flags: Flags) =>
      showRun(flags, () => trainFile(surroundings, config, { overrides: changesOf(flags), ...choiceOf(flags) })),
    );

  withJson(addOptionFlags(program.command('demo')))
    .description('train a GPT of 4 million parameters for five minutes on a dictionary, which it then goes on with')
    .addOption(otherName)
    .action((flags: Flags) => {
      const overrides = changesOf(flags);
      const hasOwnData = overrides.some(({ text }) => /^data(\.paths)?=/.test(text));
      const options = demoOptions({ hasOwnData });
      return showRun(flags, () => trainWith(surroundings, options, { overrides, source: 'flotilla demo' }));
    });

  withModel(withJson(addOptionFlags(program.command('resume').argument('<run>', 'a run folder'))))
    .description('go on with a run from its latest checkpoint, or from that of a step')
    .option('--checkpoint <step>', 'go on from the checkpoint of this step (40, step-000040 or latest)')
    .option('--accept-model-change', 'go on also where the model is not the one that the run has trained')
    .action((run: string, flags: Flags) => {
      const { checkpoint } = flags as { checkpoint?: string };
      const settings = {
        overrides: overridesOf(flags),
        accept_model_change: flags.acceptModelChange === true,
        checkpoint,
      };
      return showRun(flags, () => resumeRun(surroundings, run, { ...settings, ...choiceOf(flags) }));
    });
}

const withJson = (command: Command) => command.option('--json <file>', 'write the summary as JSON');

/** As `--name` was called before: torchrun takes what begins with `--run` for its own. */
const otherName = new Option('--run <name>').hideHelp();

/** What the flags of a run say. */
const changesOf = (flags: Flags): readonly WrittenOverride[] =>
  overridesOf({ ...flags, name: flags.name ?? flags.run });

/** Runs a training, and writes the summary where asked to. */
async function showRun(flags: Flags, run: () => Promise<TrainResult>): Promise<void> {
  const json = typeof flags.json === 'string' ? summaryFile(flags.json) : null;
  const { summary, interrupted, folder, leads } = await run();
  if (interrupted) process.exitCode = stoppedStatus;
  if (leads) await afterTraining('the file of --json', folder, () => json?.write(summary));
}
