/** Commands about this machine: `flotilla setup` and `doctor`. */
import type { Command } from 'commander';
import { examine, findingsText } from '../engine/native/doctor.js';
import { setUp, setupHelp } from './setup.js';

export function addMachineCommands(program: Command): void {
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
}
