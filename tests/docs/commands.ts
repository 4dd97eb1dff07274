/** Commands of the documents: which are ours, what of them is parsed, and why what is not run here is not. */

export interface ShellCommand {
  readonly text: string;
  /** Arguments of `flotilla`; null where it is another program's. */
  readonly flotilla: readonly string[] | null;
  /** A script of package.json that it runs; null: none. */
  readonly script: string | null;
  /** A file of the checkout that it runs; null: none. */
  readonly file: string | null;
  /** Why the tests do not run it; null where that takes nothing special. */
  readonly notRun: string | null;
}

/** What starts a command and what that needs, so that no test can. */
const elsewhere: readonly (readonly [start: RegExp, reason: string])[] = [
  [
    /^torchrun /,
    'torchrun comes with torch, and its other lines need two machines: tests/real_processes.test.ts starts it',
  ],
  [/^srun /, 'needs a cluster that Slurm runs'],
  [/^mpirun /, 'needs Open MPI'],
  [/^bash (scripts|\.gpu)\/gpu\.sh/, 'needs a GPU, or takes minutes: tests/gpu has its parts'],
  [/^npm (ci|install)/, 'installs packages from a registry'],
  [/^npx flotilla setup/, 'installs torch and builds the engine: tests/package/installed.test.ts runs it'],
  [/^npm test/, 'is these tests'],
  [/^npx flotilla compare/, 'needs two runs, which tests/compare makes'],
  [/^npx flotilla demo/, 'takes minutes'],
  [/^npm run (demo|bench|gpu:[\w-]+|mutants|fuzz)/, 'takes minutes'],
];

/** The commands of a block: one a line or between `&&`, without comments and environment. */
export function shellCommands(text: string): readonly ShellCommand[] {
  return text
    .replaceAll('\\\n', ' ')
    .split(/\n|&&/)
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .filter(Boolean)
    .map(shellCommand);
}

function shellCommand(text: string): ShellCommand {
  const words = (text.match(/'[^']*'|"[^"]*"|\S+/g) ?? []).map((word) => word.replace(/^(['"])(.*)\1$/, '$2'));
  const at = words.indexOf('flotilla');
  const script = /^npm (?:run )?([\w:-]+)/.exec(text)?.[1] ?? null;
  const flags = words.includes('--') ? words.slice(words.indexOf('--') + 1) : [];
  const ours = at >= 0 ? words.slice(at + 1) : script === 'demo' ? ['demo', ...flags] : null;
  return {
    text,
    flotilla: ours,
    script,
    file: /^(?:bash|node|npx tsx) ([\w./-]+)/.exec(text)?.[1] ?? null,
    notRun: elsewhere.find(([start]) => start.test(text))?.[1] ?? null,
  };
}
