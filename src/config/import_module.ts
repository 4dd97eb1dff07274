/** Running a user's TypeScript module. */
import { register as registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';

/**
 * Runs a TypeScript module in this process's own module cache, so that what it imports from flotilla are the classes that run here:
 * `tsImport` would load them a second time.
 */
export async function importTypeScript(path: string): Promise<unknown> {
  const { register } = await import('tsx/esm/api');
  const unregister = register();
  registerHooks(`data:text/javascript,${encodeURIComponent(typeScriptIsEsm)}`);
  try {
    return await import(pathToFileURL(path).href);
  } finally {
    await unregister();
  }
}

/**
 * A hook of Node's module loader: TypeScript files are ES modules also where no package.json says so. Node calls them CommonJS there, and
 * `import` and `export default` in them then fail.
 */
const typeScriptIsEsm = `
  export async function resolve(specifier, context, next) {
    const found = await next(specifier, context);
    return found.format === 'commonjs' && /[.]ts([?]|$)/.test(found.url) ? { ...found, format: 'module' } : found;
  }`;
