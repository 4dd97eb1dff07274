/** What can be wrong with a set of options. */
import { defineDiagnostic, type Place } from '../ir/diagnostic.js';

const documented = 'docs/config.md lists every field';

/** Where a problem was written: the file or call, or the flag that set the field. */
interface Blamed {
  readonly source: string;
  readonly others?: readonly Place[];
}

export const unknownOption = defineDiagnostic(
  'config/unknown-option',
  (p: Blamed & { option: string; meant: MeantOption }) => ({
    what: `no option is called '${p.option}'`,
    why: 'a field that nothing reads would be a setting you believe in and do not have',
    where: [{ at: p.source }, ...(p.others ?? [])],
    fix: fixOf(p),
  }),
);

/** The option that was probably meant, and what it means. */
interface NearOption {
  readonly path: string;
  readonly description: string;
  /** The model families that have it, where not all have. */
  readonly families: readonly string[] | null;
}

interface MeantOption {
  readonly option: NearOption | null;
  /** How its value differs; where there is none, what to do instead. */
  readonly note: string | null;
}

function fixOf({ option, meant }: { readonly option: string; readonly meant: MeantOption }): string {
  if (meant.option === null) return meant.note ?? documented;
  const { path, description, families } = meant.option;
  if (path !== option) return `did you mean '${path}'? ${description}${meant.note ? ` ${meant.note}.` : ''}`;
  return `it is an option of the family ${families?.join(' and ')}: set model.family, or leave it out`;
}

/** A value that an option cannot have. */
export interface WrongValue {
  readonly option: string;
  /** What may stand there. */
  readonly expected: string;
  readonly given: string;
  /** Whether `expected` lists every text that may. */
  readonly isChoice?: boolean;
  /** The one of these that was probably meant. */
  readonly nearest?: string | null;
}

export const wrongOption = defineDiagnostic('config/wrong-option', (p: Blamed & WrongValue) => ({
  what: `option '${p.option}' must be ${p.expected}, and is ${p.given}`,
  where: [{ at: p.source, note: `field ${p.option}` }, ...(p.others ?? [])],
  fix: p.nearest
    ? `write '${p.nearest}'; ${documented}`
    : p.isChoice
      ? `write one of these; ${documented}`
      : `change it to ${p.expected}; ${documented}`,
}));

export const optionConflict = defineDiagnostic(
  'config/option-conflict',
  (p: Conflict & { sourceOf: (option: string) => string }) => ({
    what: p.problem,
    where: p.options.map((option) => ({ at: p.sourceOf(option), note: `field ${option}` })),
    fix: p.fix,
  }),
);

/** Options that contradict each other, and the nearest values that agree. */
export interface Conflict {
  readonly options: readonly string[];
  readonly problem: string;
  readonly fix: string;
}
