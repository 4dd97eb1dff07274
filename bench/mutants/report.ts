/** The table and the summary of a campaign. */
import { kindNames, type Kind } from '../../src/program/kinds.js';
import type { CampaignReport, KindReport } from './campaign.js';

export interface MutantsSummary {
  readonly seed: number;
  readonly seconds: number;
  readonly mutants: number;
  readonly kinds: number;
  readonly wrong: number;
  readonly false_accepts: number;
  readonly harmless: number;
  readonly harmless_rejected: number;
  readonly harmless_rejected_by: Readonly<Record<string, number>>;
  /** Wrong mutants that the other rules alone would have let pass. */
  readonly missed_without_identity: number;
  readonly legal: number;
  readonly legal_accepted: number;
  readonly by_kind: readonly (Omit<KindReport, 'programs' | 'instructions'> & {
    readonly programs: readonly string[];
    readonly instructions: readonly Kind[];
  })[];
  /** Of each kind of instruction: kinds of wrong mutants that changed one, and the programs in which they did. */
  readonly by_instruction: Readonly<
    Record<Kind | 'tables' | 'placed graphs', { readonly kinds: number; readonly programs: number }>
  >;
}

export function summarize({ seed, seconds, kinds, harmlessRejectedBy }: CampaignReport): MutantsSummary {
  const faults = kinds.filter((kind) => !kind.legal);
  // A change meant to be legal that shows a fault is no legal change: it counts with the wrong ones.
  const legal = kinds.filter((kind) => kind.legal);
  const sum = (list: readonly KindReport[], of: (kind: KindReport) => number) =>
    list.reduce((n, kind) => n + of(kind), 0);
  return {
    seed,
    seconds,
    mutants: sum(faults, (k) => k.mutants),
    kinds: faults.filter((kind) => kind.wrong > 0).length,
    wrong: sum(kinds, (k) => k.wrong),
    false_accepts: sum(kinds, (k) => k.falseAccepts),
    harmless: sum(faults, (k) => k.harmlessAccepted + k.harmlessRejected),
    harmless_rejected: sum(faults, (k) => k.harmlessRejected),
    harmless_rejected_by: harmlessRejectedBy,
    missed_without_identity: sum(kinds, (k) => k.missedWithoutIdentity),
    legal: sum(legal, (k) => k.harmlessAccepted + k.harmlessRejected),
    legal_accepted: sum(legal, (k) => k.harmlessAccepted),
    by_kind: kinds.map((kind) => ({ ...kind, programs: [...kind.programs], instructions: [...kind.instructions] })),
    by_instruction: byInstruction(faults),
  };
}

function byInstruction(faults: readonly KindReport[]): MutantsSummary['by_instruction'] {
  const count = (of: readonly KindReport[]) => ({
    kinds: of.length,
    programs: new Set(of.flatMap(({ programs }) => [...programs])).size,
  });
  const wrong = faults.filter((kind) => kind.wrong > 0);
  const rows = kindNames.map(
    (name) => [name, count(wrong.filter(({ instructions }) => instructions.has(name)))] as const,
  );
  const tables = count(wrong.filter(({ of, instructions }) => of === 'program' && instructions.size === 0));
  const placed = count(wrong.filter(({ of }) => of === 'placed graph'));
  return Object.fromEntries([
    ...rows,
    ['tables', tables],
    ['placed graphs', placed],
  ]) as MutantsSummary['by_instruction'];
}

export function* tableLines(report: CampaignReport): Generator<string> {
  const { kinds, notes } = report;
  const columns = ['mutants', 'wrong', 'rejected', 'accepted!', 'harmless', 'rejected'];
  yield `${'kind'.padEnd(26)}${columns.map((name) => name.padStart(11)).join('')}`;
  for (const k of kinds) {
    const cells = [
      k.mutants,
      k.wrong,
      k.wrongRejected,
      k.falseAccepts,
      k.harmlessAccepted + k.harmlessRejected,
      k.harmlessRejected,
    ];
    yield `${(k.legal ? `legal: ${k.kind}` : k.kind).padEnd(26)}${cells.map((n) => String(n).padStart(11)).join('')}`;
  }
  yield '';
  for (const [name, { kinds: count, programs }] of Object.entries(summarize(report).by_instruction))
    yield `${name.padEnd(14)}${String(count).padStart(3)} kinds of wrong mutants, in ${programs} programs`;
  for (const note of [...new Set(notes)].slice(0, 20)) yield note;
}
