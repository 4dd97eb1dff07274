/** What can be wrong with a configuration. */
import { defineDiagnostic } from '../ir/diagnostic.js';

export const unknownSetting = defineDiagnostic(
  'config/unknown-setting',
  (p: { call: string; setting: string; nearest: string | null; option: string | null; known: readonly string[] }) => ({
    what: `${p.call}() has no setting called '${p.setting}'`,
    why: 'a setting that nothing reads would be one you believe in and do not have',
    where: [{ at: `settings of ${p.call}()`, note: `it has ${p.known.join(', ')}` }],
    fix: p.option
      ? `it is a field of the configuration: write overrides: ['${p.option}=…']`
      : p.nearest
        ? `did you mean '${p.nearest}'?`
        : 'leave it out, or name one of those; fields of the configuration are no settings: docs/config.md lists them',
  }),
);

export const badOverride = defineDiagnostic(
  'config/bad-override',
  (p: { text: string; source: string; problem: string; fix: string }) => ({
    what: `cannot apply ${p.text}: ${p.problem}`,
    where: [{ at: p.source }],
    fix: p.fix,
  }),
);

export const notAnOptionObject = defineDiagnostic(
  'config/not-an-option-object',
  (p: { option: string; given: string; source: string }) => ({
    what: `option '${p.option}' is ${p.given}, which cannot say what it is as plain data`,
    why: 'the run folder keeps the configuration as JSON, so that a run can be resumed and compared',
    where: [{ at: p.source, note: `field ${p.option}` }],
    fix: `give plain data, or an object with a method toConfig() that returns it`,
  }),
);

export const configUnreadable = defineDiagnostic(
  'config/unreadable',
  (p: { file: string; problem: string; kind?: 'plan' | 'schedule file'; fix?: string }) => ({
    what: `cannot read the ${p.kind ?? 'configuration'} ${p.file}`,
    why: p.problem,
    where: [{ at: p.file }],
    fix: p.fix ?? 'give a .ts file whose default export is the options of train(), or a .json or .yaml file',
  }),
);

export const customModelLost = defineDiagnostic(
  'config/custom-model-lost',
  (p: { name: string; module: string | null; problem: string }) => ({
    what: `the model '${p.name}' of this run cannot be built again`,
    why: p.problem,
    where: [{ at: p.module ?? 'config.json', note: 'field model.module' }],
    fix: 'name the TypeScript file that exports it, or the script that trained it, with `--model FILE`; in a script: resume(run, { model })',
  }),
);

export const noModelExported = defineDiagnostic(
  'config/no-model-exported',
  (p: { file: string; problem: string; fix?: string }) => ({
    what: `${p.file} gives no model`,
    why: p.problem,
    where: [{ at: p.file }],
    fix:
      p.fix ??
      'write `export default new Own({ … })`, or `export const model = new Own({ … })`, of a class that extends nn.LanguageModel',
  }),
);

export const codeNotTrusted = defineDiagnostic('config/code-not-trusted', (p: { module: string; source: string }) => ({
  what: `the model is code, and running ${p.module} would execute it`,
  why: 'a file that may be somebody else’s names it, and you have not trained with it on this machine as it is now',
  where: [
    { at: p.source, note: 'field model.module' },
    { at: p.module, note: 'not executed' },
  ],
  fix: `read it; then name it by hand, \`--model ${p.module}\`, or trust what the file names, \`--trust-code\``,
}));

export const calledWhileImported = defineDiagnostic(
  'config/called-while-imported',
  (p: { file: string; call: string }) => ({
    what: `${p.file} calls ${p.call}() itself`,
    why: 'it is read for what it exports, and nothing in it may train meanwhile',
    where: [{ at: p.file }],
    fix: 'run it as the script that it is, with `npx tsx`; or leave the call out and write `export default { model: …, data: … }`',
  }),
);
