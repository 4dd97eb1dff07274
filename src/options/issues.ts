/** What the schema found wrong, as one diagnostic that says what may stand there. */
import type { z } from 'zod';
import type { DiagnosticError, Place } from '../ir/diagnostic.js';
import { nearestChoice } from '../ir/nearest_choice.js';
import { unknownOption, wrongOption, type WrongValue } from './diagnostics.js';
import { isGroupElsewhere } from './elsewhere.js';
import { meantBy, type Meant } from './nearest.js';
import { isPlain, textOf, type Plain } from './plain.js';
import type { OptionRow } from './rows.js';

/**
 * One diagnostic for all that the schema found: unknown fields first, since they explain others. `sourceOf` says where the option of a path
 * was written, for messages.
 */
export function explainIssues(
  issues: readonly z.core.$ZodIssue[],
  given: Plain,
  rows: readonly OptionRow[],
  sourceOf: (option: string) => string,
): DiagnosticError {
  const problems = issues.flatMap((issue) => problemsOf(issue, [], given, rows));
  const [first, ...rest] = [...problems].sort((a, b) => Number(b.kind === 'unknown') - Number(a.kind === 'unknown'));
  const source = sourceOf(first.option);
  const others = rest
    .slice(0, mostOthers)
    .map((problem): Place => ({ at: sourceOf(problem.option), note: `also ${noteOf(problem)}` }));
  if (rest.length > mostOthers) others.push({ at: source, note: 'and more' });
  return first.kind === 'unknown'
    ? unknownOption({ ...first, source, others })
    : wrongOption({ ...first, source, others });
}

/** Problems that are told beside the first. */
const mostOthers = 24;

/** A name as messages have it: of somebody's megabyte, its beginning. */
const nameText = (path: readonly PropertyKey[]): string => {
  const name = path.map(String).join('.');
  return name.length > 80 ? `${name.slice(0, 77)}…` : name;
};

type Problem =
  | { readonly kind: 'unknown'; readonly option: string; readonly meant: Meant }
  | ({ readonly kind: 'wrong' } & WrongValue);

const noteOf = (problem: Problem): string =>
  problem.kind === 'unknown'
    ? `unknown: ${problem.option}${hintOf(problem.meant)}`
    : `${problem.option} must be ${problem.expected}`;

const hintOf = ({ option, note }: Meant): string => (option ? `, perhaps '${option.path}'` : note ? `: ${note}` : '');

function problemsOf(
  issue: z.core.$ZodIssue,
  above: readonly PropertyKey[],
  given: Plain,
  rows: readonly OptionRow[],
): readonly Problem[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    const names = issue.keys.slice(0, mostOthers + 2).flatMap((key) => unknownNames([...path, key], given));
    return names.slice(0, mostOthers + 2).map((name) => {
      const option = nameText(name);
      return { kind: 'unknown', option, meant: meantBy(option, rows) };
    });
  }
  // Of the forms that a field may have, the one that was meant is the one that got furthest.
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const meant = issue.errors.find((errors) =>
      errors.some((error) => error.path.length > 0 || error.code === 'unrecognized_keys'),
    );
    if (meant) return meant.flatMap((error) => problemsOf(error, path, given, rows));
  }
  const value = valueAt(given, path);
  const legal = expectedAt(path, rows);
  // An upper bound of the option's own says it.
  const expected = isInexact(issue) && !/[<≤]/.test(legal) ? legal + inexact : legal;
  const option = nameText(path);
  return [{ kind: 'wrong', option, expected, given: textOf(value), ...choiceAt(path, value, rows) }];
}

/** An unknown field; where it is a group as another framework has it, the fields in it, each of which says what it was meant for. */
function unknownNames(path: readonly PropertyKey[], given: Plain): readonly (readonly PropertyKey[])[] {
  const value = valueAt(given, path);
  const fields = isPlain(value) ? Object.keys(value) : [];
  if (fields.length === 0 || !isGroupElsewhere(nameText(path))) return [path];
  return fields.slice(0, mostOthers + 2).flatMap((field) => unknownNames([...path, field], given));
}

const valueAt = (given: Plain, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], given);

/** What a text was probably meant for, of an option that takes some texts alone. */
function choiceAt(
  path: readonly PropertyKey[],
  value: unknown,
  rows: readonly OptionRow[],
): Pick<WrongValue, 'isChoice' | 'nearest'> {
  const row = rows.find((candidate) => candidate.path === path.map(String).join('.'));
  if (row === undefined || row.choices.length === 0) return {};
  const { choices, choicesElsewhere } = row;
  return {
    isChoice: true,
    nearest: typeof value === 'string' ? nearestChoice(value, choices, choicesElsewhere) : null,
  };
}

/** Of a whole number so large that others have its bits. */
const isInexact = (issue: z.core.$ZodIssue): boolean =>
  (issue.code === 'too_big' && issue.maximum === Number.MAX_SAFE_INTEGER) ||
  (issue.code === 'too_small' && issue.minimum === Number.MIN_SAFE_INTEGER);

/** Said beside the range of an option. */
const inexact = `, of at most ${Number.MAX_SAFE_INTEGER} in size: beyond, numbers are not exact`;

/** What may stand at a path: the type, range and unit of its option. */
function expectedAt(path: readonly PropertyKey[], rows: readonly OptionRow[]): string {
  const names = path.map(String);
  while (names.length > 0) {
    const row = rows.find((candidate) => candidate.path === names.join('.'));
    if (row) return [article(row.type), row.range, row.unit && `(${row.unit})`].filter(Boolean).join(' ');
    names.pop();
  }
  return 'another value';
}

const article = (type: string): string =>
  /^(integer|object|anything)/.test(type)
    ? `an ${type}`
    : /^['l]/.test(type) && !type.startsWith('list')
      ? type
      : `a ${type}`;
