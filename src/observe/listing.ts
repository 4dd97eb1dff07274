/** Runs and checkpoints as aligned text. */
import type { ListedCheckpoint } from '../run/list_checkpoints.js';
import type { ListedRun } from '../run/list_runs.js';
import { bytesText, lossText } from '../ir/units.js';
import { columnsOf, printable } from './columns.js';

export function runsText(runs: readonly ListedRun[]): string {
  const rows = runs.map(({ name, state, step, unsavedStep, steps, trainingLoss, validationLoss, bytes }) => [
    name,
    state,
    stepText(step ?? unsavedStep, steps) + (unsavedStep === null ? '' : ' (not saved)'),
    lossOrNone(trainingLoss),
    lossOrNone(validationLoss),
    bytesText(bytes),
  ]);
  const problems = runs.flatMap(({ name, problem }) => (problem === null ? [] : [`${name}: ${problem}`]));
  return [table(['run', 'state', 'saved step', 'loss', 'validation', 'size'], rows), ...problems].join('\n');
}

export function checkpointsText(checkpoints: readonly ListedCheckpoint[]): string {
  if (checkpoints.length === 0) return 'no checkpoint';
  const rows = checkpoints.map(({ step, isLatest, state, trainingLoss, validationLoss, bytes }) => [
    `${step}${isLatest ? ' (latest)' : ''}`,
    lossOrNone(trainingLoss),
    lossOrNone(validationLoss),
    bytes === null ? '-' : bytesText(bytes),
    state,
  ]);
  const problems = checkpoints.flatMap(({ path, problem }) => (problem === null ? [] : [`${path}: ${problem}`]));
  return [table(['step', 'loss', 'validation', 'size', 'state'], rows), ...problems].join('\n');
}

const stepText = (step: number | null, steps: number | null): string =>
  step === null ? '-' : `${step}${steps === null ? '' : ` of ${steps}`}`;

const lossOrNone = (loss: number | null): string => (loss === null ? '-' : lossText(loss));

/** Columns as wide as their widest text, two spaces apart. What a file says of itself does not steer a terminal. */
function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows.map((row) => row.map(printable))];
  const widths = header.map((_, column) => Math.max(...all.map((row) => columnsOf(row[column]))));
  return all
    .map((row) =>
      row
        .map((text, column) => text + ' '.repeat(widths[column] - columnsOf(text)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
