/** One place where torch was looked for. */
export interface TorchAttempt {
  /** Why there: an environment variable, `.venv`, or `python3`. */
  readonly source: string;
  /** The torch package where there is one, else the place looked at; null where python3 finds none. */
  readonly path: string | null;
  readonly status: 'found' | 'missing' | 'too old' | 'incomplete';
  /** As in torch/version.py: `2.13.0+cpu`. */
  readonly version: string | null;
  /** The CUDA version it was built for. */
  readonly cuda: string | null;
  /** The interpreter of its environment. */
  readonly python: string | null;
  readonly detail: string | null;
}

export interface TorchSearch {
  readonly found: TorchAttempt | null;
  /** In the order they were made; the last one is what was found, if anything was. */
  readonly attempts: readonly TorchAttempt[];
}

export const oldestTorch: string;
export const installedTorch: string;

/** Finds a torch package. `root` is the project's folder. */
export function locateTorch(options: { root: string; env?: NodeJS.ProcessEnv }): TorchSearch;
