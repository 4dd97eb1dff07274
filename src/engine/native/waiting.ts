/**
 * How the threads of a rank wait for each other between two kernels.
 *
 * GNU's OpenMP, which PyTorch's packages bring, spins for some milliseconds before it sleeps. That is quick where each thread has a core of
 * its own. Where others use the cores too, a thread that spins keeps the one it waits for from running, a time slice each time; a step then
 * takes a hundred times as long. A spin that lasts about as long as going to sleep and waking up is never much worse than the better of the
 * two (Karlin, Li, Manasse, Owicki 1991: "Empirical studies of competitive spinning"), so that is what ranks do.
 *
 * The library reads its variables once, when it is loaded: they have to be set before.
 */

type Environment = Readonly<Record<string, string | undefined>>;

/** What decides how OpenMP waits: libgomp's two, and the one of LLVM's and Intel's libraries. */
export const waitVariables = ['OMP_WAIT_POLICY', 'GOMP_SPINCOUNT', 'KMP_BLOCKTIME'] as const;

/** A thousand looks, which libgomp reckons as ten microseconds, then sleep; more threads than cores do not spin at all. */
export const spinVariables = { OMP_WAIT_POLICY: 'passive', GOMP_SPINCOUNT: '1000', KMP_BLOCKTIME: '0' } as const;

/** Does what loads the library, with the variables set unless the environment's owner has set any. They are gone again afterwards. */
export function withWaiting<T>(load: () => T, env: NodeJS.ProcessEnv = process.env): T {
  const own = given(env).length > 0 ? {} : spinVariables;
  Object.assign(env, own);
  try {
    return load();
  } finally {
    for (const name of Object.keys(own)) delete env[name];
  }
}

/** How threads wait, in words: `a short spin, then sleep`, or the owner's own variables. */
export const waitingText = (env: Environment = process.env): string =>
  given(env)
    .map((name) => `${name}=${env[name]}`)
    .join(' ') || 'a short spin, then sleep';

const given = (env: Environment) => waitVariables.filter((name) => env[name]);
