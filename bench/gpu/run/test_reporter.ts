/** What vitest's tests tell a run: a record for each test as it ends, one for each file, and one for them all, with the headline. */
import type { Reporter, TestCase, TestModule, TestRunEndReason } from 'vitest/node';
import type { StageRecord } from './results.js';

type UserConsoleLog = Parameters<NonNullable<Reporter['onUserConsoleLog']>>[0];
type UnhandledErrors = Parameters<NonNullable<Reporter['onTestRunEnd']>>[1];

export default class TestReporter implements Reporter {
  /** A test that takes the process with it is the last one that the log names. */
  onTestCaseReady(test: TestCase): void {
    console.error(`${test.module.relativeModuleId}: ${test.fullName} …`);
  }

  onTestCaseResult(test: TestCase): void {
    const result = test.result();
    tell({
      file: test.module.relativeModuleId,
      test: test.fullName,
      state: result.state,
      seconds: seconds(test.diagnostic()?.duration),
      ...(result.state === 'failed' && { messages: result.errors.map(({ message }) => firstLines(message)) }),
      ...(result.state === 'skipped' && { reason: result.note ?? `marked ${test.options.mode}` }),
    });
  }

  onTestModuleEnd(module: TestModule): void {
    const errors = module.errors().map(({ message }) => firstLines(message));
    const failed = [...module.children.allTests('failed')].map(({ fullName }) => fullName);
    tell({
      file: module.relativeModuleId,
      ...counts([module]),
      seconds: seconds(module.diagnostic().duration),
      ...(failed.length && { failures: failed }),
      ...(errors.length && { errors }),
    });
  }

  onUserConsoleLog({ content }: UserConsoleLog): void {
    process.stderr.write(content);
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: UnhandledErrors, reason: TestRunEndReason): void {
    const { passed, failed, skipped } = counts(modules);
    const parts = [`${passed} passed`, failed && `${failed} failed`, skipped && `${skipped} skipped`];
    const errors = unhandled.map(({ message }) => firstLines(message));
    const broken = modules.filter((module) => module.errors().length > 0).length;
    if (broken) parts.push(`${broken} files broken`);
    if (errors.length) parts.push(`${errors.length} unhandled errors`);
    tell({
      ended: reason,
      ...(errors.length && { unhandled: errors }),
      headline: parts.filter(Boolean).join(', '),
    });
  }
}

function counts(modules: readonly TestModule[]) {
  const count = (state: 'passed' | 'failed' | 'skipped') =>
    modules.reduce((sum, module) => sum + [...module.children.allTests(state)].length, 0);
  return { passed: count('passed'), failed: count('failed'), skipped: count('skipped') };
}

function tell(record: StageRecord): void {
  process.stdout.write(`${JSON.stringify(record)}\n`);
}

const firstLines = (message: string): string => message.split('\n').slice(0, 12).join('\n').slice(0, 2000);
const seconds = (milliseconds = 0): number => Math.round(milliseconds) / 1000;
