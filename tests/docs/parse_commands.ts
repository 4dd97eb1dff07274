/**
 * Holds command lines against the parser of the CLI itself, in a process of its own: reads them as JSON from its argument, and prints what
 * the parser says of each, null where it takes it. Actions do nothing here.
 */
import { Command } from 'commander';

const lines = JSON.parse(process.argv[2]) as readonly (readonly string[])[];
const main = new URL('../../src/cli/main.js', import.meta.url).href;

const action = Command.prototype.action;
Command.prototype.action = function (this: Command) {
  return action.call(this, () => {});
};
const exit = process.exit.bind(process);
let said = '';
process.stdout.write = process.stderr.write = ((text: string) => {
  said += text;
  return true;
}) as typeof process.stdout.write;
process.exit = ((status?: number) => {
  throw new Error(`ended with ${status}`);
}) as typeof process.exit;

const verdicts: (string | null)[] = [];
for (const [i, line] of lines.entries()) {
  said = '';
  process.argv = [process.argv[0], main, ...line];
  // Its module is run once more for every line: the parser reads the arguments of this process.
  const error: unknown = await import(`${main}?${i}`).then(
    () => null,
    (error: unknown) => error,
  );
  verdicts.push(error === null ? null : said || String(error));
}
process.send?.(verdicts);
exit(0);
