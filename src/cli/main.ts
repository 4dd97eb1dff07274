/** The `flotilla` command. It holds no logic: it reads flags, calls the library and shows what comes of it. */
import '../launch/first.js';
import { Command, Option } from 'commander';
import { examine, findingsText } from '../engine/native/doctor.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { attachPanel, checkpointsText, runsText, summaryFile } from '../observe/index.js';
import type { ModelChoice } from '../config/own_model.js';
import { demoOptions } from '../config/demo.js';
import { afterTraining } from '../train/after_training.js';
import { trainEvents, type TrainEvents } from '../train/events.js';
import { dumpPoint } from '../train/dump_point.js';
import { explanationText } from '../train/explain.js';
import { explainTarget } from '../train/explain_target.js';
import { generate } from '../train/generate.js';
import { usualSampling, type GenerateSettings } from '../train/generate_settings.js';
import { allVerified, listRunCheckpoints } from '../run/list_checkpoints.js';
import { listRuns } from '../run/list_runs.js';
import { packageVersion } from '../run/package_version.js';
import { stoppedWord } from '../launch/logged.js';
import { drained, lossyOutput } from '../launch/output.js';
import { stoppedStatus } from '../launch/signals.js';
import type { TrainResult } from '../launch/start_job.js';
import { resumeRun, trainFile, trainWith } from '../launch/train.js';
import { addOptionFlags, overridesOf } from './flags.js';
import { setUp, setupHelp } from './setup.js';
import { surroundings } from './surroundings.js';

type Flags = Readonly<Record<string, unknown>> & ModelFlags;

const program = new Command('flotilla')
  .description('Trains language models across many devices.')
  .version(packageVersion())
  .option('--verbose', 'show where in the code an error was raised');

/** Whose code may be executed for a model that no configuration describes. */
const withModel = (command: Command) =>
  command
    .option('--model <file>', 'the TypeScript file that exports the model, or the script that trained it')
    .option('--trust-code', 'execute the module that the run or configuration names for its model, whoever wrote it');

const withJson = (command: Command) => command.option('--json <file>', 'write the summary as JSON');

/** As it was called before: torchrun takes what begins with `--run` for its own. */
const otherName = new Option('--run <name>').hideHelp();

withModel(withJson(addOptionFlags(program.command('train').argument('<config>', 'a .ts or .json file'))))
  .description('train what a configuration describes')
  .option('--name <name>', 'name of the run folder')
  .addOption(otherName)
  .action((config: string, flags: Flags) =>
    showRun(flags, (events) =>
      trainFile(surroundings, config, { events, overrides: withName(flags), ...choiceOf(flags) }),
    ),
  );

withJson(addOptionFlags(program.command('demo')))
  .description('train a GPT of 14 million parameters for five minutes on text that npm installed')
  .option('--name <name>', 'name of the run folder')
  .addOption(otherName)
  .action((flags: Flags) => {
    const overrides = withName(flags);
    const steps = overrides.findLast((text) => text.startsWith('steps='))?.slice('steps='.length);
    const options = demoOptions(steps === undefined ? null : Number(steps));
    return showRun(flags, (events) => trainWith(surroundings, options, { events, overrides, source: 'flotilla demo' }));
  });

withModel(withJson(addOptionFlags(program.command('resume').argument('<run>', 'a run folder'))))
  .description('go on with a run from its latest checkpoint, or from that of a step')
  .option('--checkpoint <step>', 'go on from the checkpoint of this step (40, step-000040 or latest)')
  .option('--accept-model-change', 'go on also where the model is not the one that the run has trained')
  .action((run: string, flags: Flags) => {
    const { checkpoint } = flags as { checkpoint?: string };
    const settings = { overrides: overridesOf(flags), acceptModelChange: flags.acceptModelChange === true, checkpoint };
    return showRun(flags, (events) => resumeRun(surroundings, run, { events, ...settings, ...choiceOf(flags) }));
  });

withModel(program.command('generate').argument('<run>', 'a run folder'))
  .description('continue a text with the model of a run')
  .option('--prompt <text>', 'text to continue', usualSampling.prompt)
  .option('--tokens <count>', 'how many to add', Number, usualSampling.tokens)
  .option('--temperature <ratio>', 'divides the logits; 0 takes the likeliest token', Number, usualSampling.temperature)
  .option('--top-k <count>', 'draw from only so many of the likeliest tokens; 0: from all', Number, usualSampling.topK)
  .option('--seed <number>', 'the same seed gives the same text', Number, usualSampling.seed)
  .option('--checkpoint <step>', 'take the weights of the checkpoint of this step (40, step-000040 or latest)')
  .option('--device <value>', 'where to compute: auto, cpu or cuda; by default where the run was to')
  .option('--accept-model-change', 'also where the model is not the one that the run has trained')
  .action(async (run: string, flags: GenerateSettings & { prompt: string }) => {
    // What is missing is said before the prompt.
    let before = flags.prompt;
    const onText = (text: string) => {
      process.stdout.write(before + text);
      before = '';
    };
    await generate(run, { ...flags, topK: flags.topK === 0 ? null : flags.topK, onText });
    process.stdout.write(`${before}\n`);
  });

withModel(program.command('explain').argument('<target>', 'a run folder or a configuration'))
  .description('print every reshard of a plan, with the op that asked for it, and where memory goes')
  .option('--plan <file>', 'a plan file to explain instead of the plan it has')
  .option(
    '--set <name=value>',
    'change a field of the configuration',
    (text, before: string[]) => [...before, text],
    [],
  )
  .option(
    '--checkpoint <step>',
    'also say whether the checkpoint of this step of the run fits (40, step-000040 or latest)',
  )
  .option('--dump-ir <point>', 'print the training step after a pass instead: after:trace, after:partition, …')
  .action(
    async (
      target: string,
      flags: ModelFlags & { plan?: string; set: string[]; dumpIr?: string; checkpoint?: string },
    ) => {
      const { plan, set, dumpIr, checkpoint } = flags;
      const options = { planFile: plan, overrides: set, checkpoint, ...choiceOf(flags) };
      if (dumpIr === undefined) return console.log(explanationText(await explainTarget(target, options)));
      const point = dumpPoint(dumpIr);
      const observe = (pass: string, print: () => string) => pass === point && console.log(print());
      await explainTarget(target, { ...options, observe });
    },
  );

program
  .command('runs')
  .argument('[directory]', 'a folder of run folders', 'runs')
  .description('list runs: how far each has come, and whether it can be gone on with')
  .action(async (directory: string) => console.log(runsText(await listRuns(directory))));

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
  await program.parseAsync();
  if (process.exitCode === stoppedStatus) {
    await drained(process.stdout);
    process.exit();
  }
} catch (error) {
  const verbose = program.opts<{ verbose?: boolean }>().verbose;
  console.error(error instanceof DiagnosticError && !verbose ? error.message : error);
  // At once: a rank that failed may still have threads that wait for others.
  process.exit(error instanceof DiagnosticError && error.code === 'launch/interrupted' ? stoppedStatus : 1);
}

/** Runs a training with the panel on, writes the summary where asked to, and says how to go on after an interruption. */
async function showRun(flags: Flags, run: (events: TrainEvents) => Promise<TrainResult>): Promise<void> {
  const json = typeof flags.json === 'string' ? summaryFile(flags.json) : null;
  const events = trainEvents();
  const detach = attachPanel(events, { stream: lossyOutput(process.stdout), environment: process.env });
  try {
    const result = await run(events);
    const { summary, interrupted, folder, leads } = result;
    if (interrupted) process.exitCode = stoppedStatus;
    if (!leads) return;
    if (interrupted) console.error(stoppedWord(result));
    await afterTraining('the file of --json', folder, () => json?.write(summary));
  } finally {
    detach();
  }
}

interface ModelFlags {
  readonly model?: string;
  readonly trustCode?: boolean;
}

function choiceOf({ model, trustCode }: ModelFlags): ModelChoice {
  return { ...(model !== undefined && { model }), trustCode };
}

function withName(flags: Flags): readonly string[] {
  const overrides = overridesOf(flags);
  const name = flags.name ?? flags.run;
  return typeof name === 'string' ? [...overrides, `logging.name=${JSON.stringify(name)}`] : overrides;
}
