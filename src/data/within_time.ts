/** Calls that may take for ever: a regular expression that somebody else wrote can need longer than there is time. */
import { createContext, Script } from 'node:vm';

const context = createContext({ call: () => {} }) as { call: () => unknown };
const script = new Script('call()');

/** What `call` gives; null where it has not ended after `milliseconds`, and is stopped there. Costs some 100 µs. Throws what it throws. */
export function withinTime<T>(milliseconds: number, call: () => T): { readonly value: T } | null {
  context.call = call;
  try {
    return { value: script.runInContext(context, { timeout: Math.ceil(milliseconds) }) as T };
  } catch (error) {
    // Of another realm where this file runs in a context of its own: an instance of another Error.
    if ((error as { readonly code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return null;
    throw error;
  } finally {
    context.call = () => {};
  }
}
