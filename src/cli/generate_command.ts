/** `flotilla generate`. */
import type { Command } from 'commander';
import type { TrainConfig } from '../config/schema.js';
import { dashed } from '../options/names.js';
import { generate } from '../train/generate.js';
import { samplingRows, type GenerateSettings } from '../train/generate_settings.js';
import { choiceOf, example, withModel, type Flags } from './command.js';
import { addFlags, settingsOf } from './flags.js';

export function addGenerateCommand(program: Command): void {
  addFlags(withModel(program.command('generate').argument('<run>', 'a run folder')), samplingRows())
    .description('continue a text with the model of a run')
    .option('--checkpoint <step>', 'take the weights of the checkpoint of this step (40, step-000040 or latest)')
    .option('--device <device>', 'where to compute: auto, cpu or cuda; by default where the run was to')
    .option('--accept-model-change', 'also where the model is not the one that the run has trained')
    .addHelpText(
      'after',
      example("flotilla generate runs/demo --prompt 'Once upon a time' --tokens 200 --temperature 0.7"),
    )
    .action(
      async (run: string, flags: Flags & { prompt?: string; checkpoint?: string; device?: TrainConfig['device'] }) => {
        // What is missing is said before the prompt.
        let before = flags.prompt ?? '';
        const onText = (text: string) => {
          process.stdout.write(before + text);
          before = '';
        };
        const settings: GenerateSettings = {
          ...settingsOf(flags, samplingRows()),
          ...choiceOf(flags),
          checkpoint: flags.checkpoint,
          device: flags.device,
          accept_model_change: flags.acceptModelChange === true,
          onText,
        };
        await generate(run, settings, (setting) => `--${dashed(setting)}`);
        process.stdout.write(`${before}\n`);
      },
    );
}
