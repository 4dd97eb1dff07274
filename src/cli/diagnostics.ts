/** What can be wrong with a command line. */
import { defineDiagnostic } from '../ir/diagnostic.js';

export const unknownFlag = defineDiagnostic(
  'cli/unknown-flag',
  (p: { command: string; flag: string; meant: string | null; note: string | null }) => ({
    what: `flotilla ${p.command} has no flag ${p.flag}`,
    why: 'a flag that nothing reads would be a setting you believe in and do not have',
    where: [{ at: p.flag }],
    fix: p.meant
      ? `did you mean ${p.meant}?${p.note ? ` ${p.note}.` : ''}`
      : (p.note ?? `\`flotilla ${p.command} --help\` lists its flags`),
  }),
);

export const badCommandLine = defineDiagnostic('cli/bad-command-line', (p: { command: string; problem: string }) => ({
  what: p.problem,
  where: [{ at: `flotilla ${p.command}`.trim() }],
  fix: `\`${`flotilla ${p.command}`.trim()} --help\` says what it takes`,
}));
