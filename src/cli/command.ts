/** What commands share: whose model they take, and how their help ends. */
import type { Command } from 'commander';
import type { ModelChoice } from '../config/own_model.js';

/** Flags as commander gives them, by their names in camel case. */
export type Flags = Readonly<Record<string, unknown>> & ModelFlags;

/** Whose code may be executed for a model that no configuration describes. */
export const withModel = (command: Command) =>
  command
    .option('--model <file>', 'the TypeScript file that exports the model, or the script that trained it')
    .option('--trust-code', 'execute the module that the run or configuration names for its model, whoever wrote it');

interface ModelFlags {
  readonly model?: string;
  readonly trustCode?: boolean;
}

/** The model that flags of {@link withModel} name. */
export function choiceOf({ model, trustCode: trust_code }: ModelFlags): ModelChoice {
  return { ...(model !== undefined && { model }), trust_code };
}

/** The end of a help text. */
export const example = (...lines: readonly string[]): string =>
  `\nFor example:\n${lines.map((line) => `  ${line}`).join('\n')}`;
