/** The `flotilla` command. It holds no logic: it reads flags, calls the library and shows what comes of it. */
import '../launch/first.js';
import { Command, CommanderError, Option } from 'commander';
import { examine, findingsText } from '../engine/native/doctor.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { chartOf, checkpointsText, plotRuns, runsText, summaryFile, type PlotOptions } from '../observe/index.js';
import type { ModelChoice } from '../config/own_model.js';
import type { WrittenOverride } from '../config/overrides.js';
import type { TrainConfig } from '../config/schema.js';
import { demoOptions } from '../config/demo.js';
import { afterTraining } from '../train/after_training.js';
import { dumpPoint } from '../train/dump_point.js';
import { explanationText } from '../train/explain.js';
import { explainTarget } from '../train/explain_target.js';
import { generate } from '../train/generate.js';
import { samplingRows, type GenerateSettings } from '../train/generate_settings.js';
import { allVerified, listRunCheckpoints } from '../run/list_checkpoints.js';
import { listRuns } from '../run/list_runs.js';
import { packageVersion } from '../run/package_version.js';
import { drained } from '../launch/output.js';
import { stoppedStatus } from '../launch/signals.js';
import type { TrainResult } from '../launch/start_job.js';
import { resumeRun, trainFile, trainWith } from '../launch/train.js';
import { badCommandLine } from './diagnostics.js';
import { addFlags, addOptionFlags, addSet, overridesOf, setsOf, settingsOf } from './flags.js';
import { setUp, setupHelp } from './setup.js';
import { surroundings } from './surroundings.js';
import { explainUnknownFlag } from './unknown_flag.js';

type Flags = Readonly<Record<string, unknown>> & ModelFlags;

const program = new Command('flotilla')
  .description('Trains language models across many devices.')
  .version(packageVersion())
  .option('--verbose', 'show where in the code an error was raised')
  .addHelpText(
    'after',
    '\nflotilla COMMAND --help lists the flags of a command; docs/config.md every field of a configuration.',
  )
  // Told as a diagnostic, like every other mistake.
  .configureOutput({ outputError: () => {} })
  .exitOverride();

/** Whose code may be executed for a model that no configuration describes. */
const withModel = (command: Command) =>
  command
    .option('--model <file>', 'the TypeScript file that exports the model, or the script that trained it')
    .option('--trust-code', 'execute the module that the run or configuration names for its model, whoever wrote it');

const withJson = (command: Command) => command.option('--json <file>', 'write the summary as JSON');

/** As `--name` was called before: torchrun takes what begins with `--run` for its own. */
const otherName = new Option('--run <name>').hideHelp();

/** What the flags of a run say. */
const changesOf = (flags: Flags): readonly WrittenOverride[] =>
  overridesOf({ ...flags, name: flags.name ?? flags.run });

const example = (...lines: readonly string[]): string =>
  `\nFor example:\n${lines.map((line) => `  ${line}`).join('\n')}`;

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
      await generate(run, settings, (setting) => `--${setting.replaceAll('_', '-')}`);
      process.stdout.write(`${before}\n`);
    },
  );

addSet(withModel(program.command('explain').argument('<target>', 'a run folder or a configuration')))
  .description('print every reshard of a plan, with the op that asked for it, and where memory goes')
  .option('--plan <file>', 'a plan file to explain instead of the plan it has')
  .option(
    '--checkpoint <step>',
    'also say whether the checkpoint of this step of the run fits (40, step-000040 or latest)',
  )
  .option('--dump-ir <point>', 'print the training step after a pass instead: after:trace, after:partition, …')
  .action(async (target: string, flags: Flags & { plan?: string; dumpIr?: string; checkpoint?: string }) => {
    const { plan, dumpIr, checkpoint } = flags;
    const options = { planFile: plan, overrides: setsOf(flags), checkpoint, ...choiceOf(flags) };
    if (dumpIr === undefined) return console.log(explanationText(await explainTarget(target, options)));
    const point = dumpPoint(dumpIr);
    const observe = (pass: string, print: () => string) => pass === point && console.log(print());
    await explainTarget(target, { ...options, observe });
  });

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
    const { file, figure } = await plotRuns(runs, flags);
    console.log(`${chartOf(figure, { width: process.stdout.columns ?? 80 })}\npicture: ${file}`);
  });

program
  .command('checkpoints')
  .argument('<run>', 'a run folder')
  .description('list the checkpoints of a run, each verified to the byte; ends with 1 where one is not as it should be')
  .action(async (run: string) => {
    const listed = await listRunCheckpoints(run);
    console.log(checkpointsText(listed));
    process.exitCode = allVerified(listed) ? 0 : 1;
  });

program
  .command('setup')
  .description('install torch and build the native engine, where they are not there yet')
  .addHelpText('after', setupHelp)
  .action(setUp);

program
  .command('doctor')
  .description('print everything that the native engine needs, found or missing')
  .action(async () => {
    const findings = await examine();
    console.log(await findingsText(findings));
    process.exitCode = findings.some(({ status }) => status === 'problem') ? 1 : 0;
  });

try {
  await parse();
  if (process.exitCode === stoppedStatus) {
    await drained(process.stdout);
    process.exit();
  }
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode);
  const verbose = program.opts<{ verbose?: boolean }>().verbose;
  console.error(error instanceof DiagnosticError && !verbose ? error.message : error);
  // At once: a rank that failed may still have threads that wait for others.
  process.exit(error instanceof DiagnosticError && error.code === 'launch/interrupted' ? stoppedStatus : 1);
}

/** Parses the command line and does what it says. A mistake in it is thrown as a diagnostic. */
async function parse(): Promise<void> {
  try {
    await program.parseAsync();
  } catch (error) {
    // Help has been shown: that was asked for, or stands in for a command that is missing.
    if (!(error instanceof CommanderError) || error.exitCode === 0 || error.code === 'commander.help') throw error;
    const command =
      program.commands.find((one) => process.argv.find((word, k) => k > 1 && !word.startsWith('-')) === one.name()) ??
      program;
    const [, flag] = /unknown option '(.*?)'/.exec(error.message) ?? [];
    if (flag !== undefined) throw explainUnknownFlag(command, flag);
    const problem = error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
    throw badCommandLine({ command: command === program ? '' : command.name(), problem });
  }
}

/** Runs a training, and writes the summary where asked to. */
async function showRun(flags: Flags, run: () => Promise<TrainResult>): Promise<void> {
  const json = typeof flags.json === 'string' ? summaryFile(flags.json) : null;
  const { summary, interrupted, folder, leads } = await run();
  if (interrupted) process.exitCode = stoppedStatus;
  if (leads) await afterTraining('the file of --json', folder, () => json?.write(summary));
}

interface ModelFlags {
  readonly model?: string;
  readonly trustCode?: boolean;
}

function choiceOf({ model, trustCode: trust_code }: ModelFlags): ModelChoice {
  return { ...(model !== undefined && { model }), trust_code };
}
