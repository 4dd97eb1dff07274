/** The package's folder. */
export const root: string;
/** Whether this is a checkout, with sources and tests; else it is an installed package. */
export const isCheckout: boolean;
/** How `flotilla` is called, for commands that messages name. */
export const flotillaCommand: string;
/** The user's cache: `$XDG_CACHE_HOME/flotilla`, else `~/.cache/flotilla`. It may not exist, and may not be writable. */
export function userCache(env?: NodeJS.ProcessEnv): string;
/** Where set-up writes for this package: into it, or into the user's cache where it may not. */
export function workFolder(env?: NodeJS.ProcessEnv, packageFolder?: string): string;
/** Python environments of set-up, the one that it writes first. */
export function environments(env?: NodeJS.ProcessEnv, packageFolder?: string): readonly string[];
/** The folder of the native engine: where it is built, or may be. */
export function nativeFolder(env?: NodeJS.ProcessEnv, packageFolder?: string): string;
