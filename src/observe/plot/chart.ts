/** A figure as text: for one run a curve of Braille dots, eight to a character; for several a letter each. */
import { lossText } from '../../ir/units.js';
import { levelsOf, type Figure, type Place, type Series } from './figure.js';
import { TextFlow } from '../text_flow.js';
import { placeOn, type Tick } from './ticks.js';

export interface ChartOptions {
  /** Columns of the terminal. */
  readonly width: number;
  /** Lines of the curve, its axis and what is said below not counted. Default 12. */
  readonly height?: number;
}

/** Narrower than this, there is no room for a curve. */
const leastColumns = 8;

/** Lines no wider than `width`. */
export function chartOf(figure: Figure, { width, height = 12 }: ChartOptions): string {
  const { x, y, series } = figure;
  const labels = y.ticks.map(({ text }) => text);
  const margin = Math.max(0, ...labels.map(({ length }) => length)) + 2;
  const columns = Math.min(100, width - margin - 2);
  const said = [...legend(figure, width - 2), ...figure.notes].flatMap((line) => flowed(line, width));
  if (columns < leastColumns) {
    const narrow = `too narrow for a curve: it takes ${margin + 2 + leastColumns} columns`;
    return [...flowed(narrow, width), ...said].map((line) => clipped(line, width)).join('\n');
  }

  const rowOf = (loss: number) => Math.round((1 - placeOn(y, loss)) * (height - 1));
  const columnOf = (step: number) => Math.round(placeOn(x, step) * (columns - 1));
  const cells = Array.from({ length: height }, () => new Array<string>(columns).fill(' '));
  const put = (row: number, column: number, mark: string) => {
    if (row >= 0 && row < height && column >= 0 && column < columns) cells[row][column] = mark;
  };
  for (const { name, y: loss } of levelsOf(figure)) {
    const row = rowOf(loss);
    for (let column = 0; column < columns; column++) put(row, column, '┄');
    [...` ${name} `].forEach((letter, k, { length }) => put(row, columns - length - 1 + k, letter));
  }
  if (series.length === 1) brailleCurve(figure, cells);
  else letterCurves(figure, put, { rowOf, columnOf, columns });
  if (series.length === 1) {
    const [{ training, validation, notFinite }] = series;
    for (const place of training.length === 1 ? training : []) put(rowOf(place.y), columnOf(place.x), '•');
    for (const place of validation) put(rowOf(place.y), columnOf(place.x), '●');
    for (const step of notFinite) put(0, columnOf(step), '×');
  }

  const labelOf = new Map(y.ticks.map(({ at, text }) => [rowOf(at), text]));
  const lines = cells.map((row, k) => {
    const label = labelOf.get(k);
    return `${(label ?? '').padStart(margin - 1)} ${label === undefined ? '│' : '┤'}${row.join('')}`.trimEnd();
  });
  const axis = new Array<string>(columns).fill('─');
  for (const { at } of x.ticks) axis[columnOf(at)] = '┴';
  const below = [`${' '.repeat(margin)}└${axis.join('')}`, tickLine(x.ticks, columnOf, columns, margin + 1)];
  return [`${' '.repeat(margin + 1)}${y.label}, by ${x.label}`, ...lines, ...below, ...said]
    .map((line) => clipped(line, width))
    .join('\n');
}

/** Labels below their ticks, those that would touch the one before left out. */
function tickLine(ticks: readonly Tick[], columnOf: (step: number) => number, columns: number, margin: number): string {
  let line = ' '.repeat(margin);
  for (const { at, text } of ticks) {
    const start = Math.min(margin + columnOf(at) - Math.floor(text.length / 2), margin + columns - text.length);
    if (start >= line.trimEnd().length + 2 || line.trim() === '') line = line.slice(0, start).padEnd(start) + text;
  }
  return line;
}

/** Dots of a Braille character, two columns of four: Unicode numbers the lowest pair apart from the others. */
const dots = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
];

function brailleCurve({ x, y, series: [{ smooth }] }: Figure, cells: string[][]): void {
  const [height, columns] = [cells.length, cells[0].length];
  const codes = cells.map((row) => row.map(() => 0));
  for (const { x: step, y: loss } of joined(smooth, 2 * columns)) {
    const column = Math.round(placeOn(x, step) * (2 * columns - 1));
    const row = Math.round((1 - placeOn(y, loss)) * (4 * height - 1));
    if (row < 0 || row >= 4 * height || column < 0 || column >= 2 * columns) continue;
    codes[row >> 2][column >> 1] |= dots[row & 3][column & 1];
  }
  codes.forEach((row, k) =>
    row.forEach((code, column) => {
      if (code > 0) cells[k][column] = String.fromCharCode(0x2800 + code);
    }),
  );
}

/** Places on the lines between neighbours too, so that nothing is missing between them on `columns` columns. */
function joined(places: readonly Place[], columns: number): readonly Place[] {
  if (places.length === 0) return [];
  const between = Math.ceil((8 * columns) / places.length);
  return places.flatMap((from, k) => {
    const to = places[k + 1];
    if (to === undefined) return [from];
    return Array.from({ length: between }, (_, part) => ({
      x: from.x + ((to.x - from.x) * part) / between,
      y: from.y + ((to.y - from.y) * part) / between,
    }));
  });
}

/** Where curves run over each other, their letters take turns. */
function letterCurves(
  { series }: Figure,
  put: (row: number, column: number, mark: string) => void,
  { rowOf, columnOf, columns }: { rowOf(loss: number): number; columnOf(step: number): number; columns: number },
): void {
  const letters = new Map<string, Set<string>>();
  for (const one of series) {
    for (const { x, y } of joined(one.smooth, columns)) {
      const cell = `${rowOf(y)} ${columnOf(x)}`;
      letters.set(cell, (letters.get(cell) ?? new Set()).add(letterOf(one)));
    }
  }
  for (const [cell, set] of letters) {
    const [row, column] = cell.split(' ').map(Number);
    put(row, column, [...set][column % set.size]);
  }
}

const letterOf = ({ color }: Series): string => 'abcdefghijklmnopqrstuvwxyz'[color % 26];

/** What the marks mean, and the last loss of each. */
function legend(figure: Figure, width: number): readonly string[] {
  const { series } = figure;
  const last = (name: string, places: readonly Place[]) =>
    places.length > 0 ? [`${name} ${lossText(places.at(-1)!.y)}`] : [];
  const levels = levelsOf(figure).map(
    ({ name, y, of }) => `${name} ${lossText(y)}${of === null ? '' : ` (${letterOf(of)})`}`,
  );
  if (series.length === 1) {
    const [{ smooth, validation }] = series;
    const losses = [...last('training', smooth), ...last('● validation', validation)];
    return inLines([...(losses.length > 0 ? losses : ['no loss yet']), ...levels], width);
  }
  const runs = series.map((one) => {
    const losses = [...last('training', one.smooth), ...last('validation', one.validation)];
    return `${letterOf(one)} ${one.name}: ${losses.join(', ') || 'no loss yet'}`;
  });
  return [...runs, ...inLines(levels, width)];
}

/** Parts, as many to a line as fit. */
function inLines(parts: readonly string[], width: number): readonly string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const longer = `${lines.at(-1)}   ${part}`;
    if (lines.length > 0 && longer.length <= width) lines[lines.length - 1] = longer;
    else lines.push(part);
  }
  return lines;
}

/** Broken between words, and indented. */
function flowed(line: string, width: number): readonly string[] {
  const flow = new TextFlow(() => width);
  return (flow.push(line) + flow.end()).trimEnd().split('\n');
}

const clipped = (line: string, width: number): string => [...line].slice(0, Math.max(0, width)).join('');
