/** Whether dist/ was built from the sources as they are. */
export function typescriptReady(): boolean;

/** Checks and builds the TypeScript sources where they have changed. Throws a SetupError where there are type errors. */
export function buildTypescript(): Promise<void>;
