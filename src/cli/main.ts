/** The `flotilla` command. It holds no logic: its commands read flags, call the library and show what comes of it. */
import '../launch/first.js';
import { Command, CommanderError } from 'commander';
import { DiagnosticError } from '../ir/diagnostic.js';
import { drained } from '../launch/output.js';
import { stoppedStatus } from '../launch/signals.js';
import { packageVersion } from '../run/package_version.js';
import { badCommandLine } from './diagnostics.js';
import { addCompareCommand } from './compare_command.js';
import { addExplainCommand } from './explain_command.js';
import { addGenerateCommand } from './generate_command.js';
import { addMachineCommands } from './machine_commands.js';
import { addRunCommands } from './run_commands.js';
import { addTrainCommands } from './train_commands.js';
import { explainUnknownFlag } from './unknown_flag.js';

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

// In the order in which help lists them.
addTrainCommands(program);
addGenerateCommand(program);
addExplainCommand(program);
addCompareCommand(program);
addRunCommands(program);
addMachineCommands(program);

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
