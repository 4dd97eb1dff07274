/**
 * What set-up shows of a step while it runs: in a terminal one line that ticks, in a log a line every so often.
 *
 * @typedef {{ write(text: string): unknown, isTTY?: boolean, columns?: number }} Output
 */

const inTerminal = { milliseconds: 250 };
const inLog = { milliseconds: 15_000 };

/**
 * Shows a step's beginning; `tell` changes what is said of how far it has come, `end` shows how it ended.
 * @param {string} what @param {Output} output @param {NodeJS.ProcessEnv} env
 */
export function showStep(what, output = process.stderr, env = process.env) {
  const start = performance.now();
  const lively = output.isTTY === true && env.TERM !== 'dumb';
  let detail = '';
  const line = () => `set-up: ${what}, ${elapsed(performance.now() - start)}${detail && `: ${detail}`}`;
  const redraw = () => output.write(`\r\x1b[K${clip(line(), (output.columns || 80) - 1)}`);
  if (lively) redraw();
  else output.write(`set-up: ${what} …\n`);
  const timer = lively
    ? setInterval(redraw, inTerminal.milliseconds)
    : setInterval(() => output.write(`${line()}\n`), inLog.milliseconds);
  timer.unref();
  return {
    /** @param {string} text */
    tell: (text) => void (detail = text),
    /** @param {string} how */
    end: (how) => {
      clearInterval(timer);
      if (lively) output.write('\r\x1b[K');
      output.write(`set-up: ${what}: ${how} ${elapsed(performance.now() - start, 1)}\n`);
    },
  };
}

/**
 * What a build tool's line says of how far it has come: `12 of 58 files`, or null. Ninja counts; of make's lines those are counted that
 * begin to compile a file, of `files`.
 * @param {number} files
 */
export function buildCounter(files) {
  let begun = 0;
  return (/** @type {string} */ line) => {
    const ninja = /^\[(\d+)\/(\d+)\] /.exec(line);
    if (ninja) return `${ninja[1]} of ${ninja[2]} files`;
    if (!/^\[ *\d+%\] Building /.test(line)) return null;
    begun++;
    return `${begun} of ${Math.max(files, begun)} files`;
  };
}

/** `8 s`, `1 min 20 s`. @param {number} milliseconds @param {number} digits */
function elapsed(milliseconds, digits = 0) {
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${seconds.toFixed(digits)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

/** @param {string} text @param {number} columns */
function clip(text, columns) {
  return text.length <= columns ? text : `${text.slice(0, columns - 1)}…`;
}
