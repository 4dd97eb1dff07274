/** What is said of a wish to stop. */
import { afterEach, expect, test, vi } from 'vitest';
import { tellStop, type StopCause } from './stop_note.js';

afterEach(() => void vi.restoreAllMocks());

/** The causes that are named on standard error and in the log, of these that come one after the other. */
function named(causes: readonly StopCause[], shows: boolean) {
  const [shown, logged]: [string[], string[]] = [[], []];
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => shown.push(String(text)) > 0);
  const tell = tellStop(1, { say: (text) => void logged.push(text), shows });
  for (const cause of causes) tell(cause);
  const first = (text: string) => text.slice(0, text.indexOf(':'));
  return { shown: shown.map(first), logged: logged.map(first) };
}

const aborted = 'aborted by the script';

test.each<[readonly StopCause[], readonly string[]]>([
  [
    ['abort', 'SIGINT'],
    [aborted, 'SIGINT'],
  ],
  [
    ['abort', 'abort', 'SIGTERM', 'SIGINT', 'abort'],
    [aborted, 'SIGTERM'],
  ],
  [['SIGINT', 'SIGINT', 'abort', 'SIGTERM'], ['SIGINT']],
])('of %j is said what is new: %j', (causes, told) => {
  expect(named(causes, true)).toEqual({ shown: told, logged: told });
});

test('a signal after an abort is answered where no progress is shown', () => {
  expect(named(['abort', 'SIGINT'], false)).toEqual({ shown: ['SIGINT'], logged: [aborted, 'SIGINT'] });
});
