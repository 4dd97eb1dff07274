/**
 * Folding: finds equal layers in a template's text and writes them once.
 *
 * Two instructions are alike if they differ in numbers alone. A loop of period p is a stretch in which every instruction is like the one
 * p places on, and its numbers move by the same strides from each iteration to the next. Of all loops of the text the one that saves
 * most is taken, then those before and behind it. What differs in the first and the last layer so stays beside the loop.
 *
 *   before                               after
 *     x1 = gelu(x0)   ; blocks.0           for layer 0 to 2 {
 *     x2 = gelu(x1)   ; blocks.1             x(1+i) = gelu(x(0+i))   ; blocks.(0+i)
 *     x3 = gelu(x2)   ; blocks.2           }
 *
 * The result depends on the text alone: equal on all ranks of a class, and the same in every run.
 */
import { exactText } from '../ir/exact_text.js';
import type { Attributes } from '../ir/graph.js';
import { parseNumbers } from '../program/loop.js';
import type { Instruction, Loop, Repeated, Strides } from '../program/program.js';
import { operandRoles, operandsOf, otherFields } from '../program/kinds.js';

export function fold(body: readonly Instruction[]): readonly (Instruction | Loop)[] {
  const lines = parseLines(body);
  const foldRange = (from: number, to: number): readonly (Instruction | Loop)[] => {
    const found = bestRepeat(lines, from, to);
    if (!found) return body.slice(from, to);
    const end = found.start + found.period * found.times;
    return [...foldRange(from, found.start), loopOf(lines, found), ...foldRange(end, to)];
  };
  return foldRange(0, body.length);
}

/** An instruction as the search sees it. */
interface Line {
  readonly instruction: Instruction;
  /** Equal for lines that differ in numbers alone. */
  readonly shape: number;
  /** What must move by one stride an iteration: operands, then numbers in texts. */
  readonly numbers: readonly number[];
  /** How many numbers each field has, in the order of {@link movingFields}. */
  readonly counts: readonly number[];
}

interface Repeat {
  readonly start: number;
  readonly period: number;
  readonly times: number;
}

/** A loop of two iterations of one instruction is no shorter than what it stands for. */
const leastSaved = 3;

/** Periods that are tried: the distances at which most lines meet one of the last lines like them. */
const mostPeriods = 32;
const linesBack = 16;

function bestRepeat(lines: readonly Line[], from: number, to: number): Repeat | null {
  let best: Repeat | null = null;
  const saved = (repeat: Repeat | null) => (repeat ? (repeat.times - 1) * repeat.period : leastSaved - 1);
  for (const period of likelyPeriods(lines, from, to)) {
    for (const [start, end] of linkedRuns(lines, from, to, period)) {
      const times = Math.floor((end - start) / period) + 1;
      const repeat = { start, period, times };
      if (times < 2 || saved(repeat) <= saved(best)) continue;
      const slack = end - start - (times - 1) * period;
      best = { ...repeat, start: startOfSegment(lines, start, start + slack) };
    }
  }
  return best;
}

function likelyPeriods(lines: readonly Line[], from: number, to: number): readonly number[] {
  const alike = new Map<number, number[]>();
  const met = new Map<number, number>();
  for (let i = from; i < to; i++) {
    const before = alike.get(lines[i].shape) ?? [];
    for (const j of before) met.set(i - j, (met.get(i - j) ?? 0) + 1);
    alike.set(lines[i].shape, [...before.slice(1 - linesBack), i]);
  }
  const byCount = [...met].sort(([p, a], [q, b]) => b - a || p - q);
  return byCount.slice(0, mostPeriods).map(([period]) => period);
}

/** Stretches [start, end) whose lines are each like the one a period on, by strides that stay the same. */
function* linkedRuns(
  lines: readonly Line[],
  from: number,
  to: number,
  period: number,
): Generator<readonly [number, number]> {
  let start = from;
  for (let i = from; i + period < to; i++) {
    if (lines[i].shape !== lines[i + period].shape) {
      if (i > start) yield [start, i];
      start = i + 1;
    } else if (i - period >= start && !movesOn(lines[i - period], lines[i], lines[i + period])) {
      yield [start, i];
      start = i - period + 1;
    }
  }
  if (to - period > start) yield [start, to - period];
}

const movesOn = ({ numbers: a }: Line, { numbers: b }: Line, { numbers: c }: Line): boolean =>
  b.every((number, k) => number - a[k] === c[k] - number);

/** The first place of those where a loop may start at which a segment begins: iterations are then whole layers. */
function startOfSegment(lines: readonly Line[], first: number, last: number): number {
  const segment = (i: number) => lines[i].instruction.source.segment;
  for (let i = first; i <= last; i++) if (i === 0 || segment(i) !== segment(i - 1)) return i;
  return first;
}

function loopOf(lines: readonly Line[], { start, period, times }: Repeat): Loop {
  const body = lines.slice(start, start + period).map((line, k): Repeated => {
    const iterations = Array.from({ length: times }, (_, i) => lines[start + k + i * period].instruction);
    return { first: line.instruction, strides: stridesOf(line, lines[start + k + period], iterations) };
  });
  return { kind: 'for', times, body };
}

function stridesOf(first: Line, second: Line, iterations: readonly Instruction[]): Strides {
  const strides: { -readonly [K in keyof Strides]: Strides[K] } = {};
  let at = 0;
  first.counts.forEach((count, field) => {
    const moves = first.numbers.slice(at, at + count).map((number, k) => second.numbers[at + k] - number);
    if (moves.some((stride) => stride !== 0)) strides[movingFields[field]] = moves;
    at += count;
  });
  const columns = columnsOf(iterations.map(attributesOf));
  if (columns) strides.attributes = columns;
  return strides;
}

/** Attributes that are not the same in every iteration. */
function columnsOf(iterations: readonly Attributes[]): Strides['attributes'] | null {
  const varying = Object.keys(iterations[0]).filter((name) =>
    iterations.some((attributes) => !Object.is(attributes[name], iterations[0][name])),
  );
  // Only numbers vary between lines of one shape.
  const column = (name: string) => iterations.map((attributes) => attributes[name] as number);
  const numbers = varying.filter((name) => typeof iterations[0][name] === 'number');
  return numbers.length > 0 ? Object.fromEntries(numbers.map((name) => [name, column(name)])) : null;
}

const movingFields = ['operands', 'path', 'segment', 'event', 'tag'] as const;

function parseLines(body: readonly Instruction[]): readonly Line[] {
  const shapes = new Map<string, number>();
  const parts = new Parts();
  return body.map((instruction): Line => {
    const { source } = instruction;
    const event = 'event' in instruction ? instruction.event : '';
    const texts = [source.path, source.segment, event].map((text) => parts.text(text));
    const operands = operandsOf(instruction);
    const tag = 'tag' in instruction ? [instruction.tag.value] : [];
    const numbers = [operands.map(({ value }) => value), ...texts.map((text) => text.numbers), tag];
    const key = [
      ...fixedPartsOf(instruction).map((part) => parts.number(part)),
      ...operands.map(({ access }) => access),
      ...texts.map(({ shape }) => shape),
    ].join(' ');
    const shape = shapes.get(key) ?? shapes.size;
    shapes.set(key, shape);
    return { instruction, shape, numbers: numbers.flat(), counts: numbers.map(({ length }) => length) };
  });
}

/** All of an instruction but its operands and texts. */
const fixedPartsOf = (instruction: Instruction): readonly unknown[] => [
  instruction.kind,
  instruction.lane,
  instruction.source.phase,
  operandRoles(instruction).join(),
  'tag' in instruction ? instruction.tag.graph : '',
  ...otherFields(instruction, 'same'),
  shapeOfAttributes(attributesOf(instruction)),
];

const attributesOf = (instruction: Instruction): Attributes =>
  'attributes' in instruction ? instruction.attributes : {};

/** Attributes without their single numbers, which may differ from iteration to iteration. */
const shapeOfAttributes = (attributes: Attributes): string =>
  Object.entries(attributes)
    .map(([name, value]) => (typeof value === 'number' ? name : `${name}=${exactText(value)}`))
    .join();

/** Numbers for parts of instructions, equal for equal parts. Parts are shared between instructions, so most are met again as they are. */
class Parts {
  private readonly byText = new Map<string, number>();
  private readonly byIdentity = new Map<unknown, number>();
  private readonly texts = new Map<string, { readonly shape: number; readonly numbers: readonly number[] }>();

  number(part: unknown): number {
    const known = this.byIdentity.get(part);
    if (known !== undefined) return known;
    const text = exactText(part);
    const number = this.byText.get(text) ?? this.byText.size;
    this.byText.set(text, number);
    this.byIdentity.set(part, number);
    return number;
  }

  text(text: string): { readonly shape: number; readonly numbers: readonly number[] } {
    const known = this.texts.get(text);
    if (known) return known;
    const { between, numbers } = parseNumbers(text);
    const parsed = { shape: this.number(exactText(between)), numbers };
    this.texts.set(text, parsed);
    return parsed;
  }
}
