/** Mutants by the thousand: each is judged by running it, and by the verifier; the two are compared. */
import type { DiagnosticError } from '../../src/ir/diagnostic.js';
import { ops } from '../../src/ops/index.js';
import type { Kind } from '../../src/program/kinds.js';
import type { Program } from '../../src/program/program.js';
import { verifyProgram } from '../../src/verify/index.js';
import { provedApart } from '../../tests/scenarios/proved_apart.js';
import type { Scenario } from '../../tests/scenarios/scenario.js';
import { faults } from './faults/index.js';
import { kernels as wrongKernels } from './faults/kernels.js';
import type { Mutation } from './mutant.js';
import { buildBases, type Base } from './programs.js';
import { seededRandom, type Random } from './random.js';
import { rechosen } from './rechoose.js';
import { reorderings } from './reorderings.js';

export interface KindReport {
  readonly kind: string;
  readonly legal: boolean;
  readonly of: 'program' | 'placed graph';
  mutants: number;
  /** The executor shows another result, a hang or a failure. */
  wrong: number;
  wrongRejected: number;
  falseAccepts: number;
  harmlessAccepted: number;
  harmlessRejected: number;
  /** Wrong, and accepted where the program is not compared with its graphs. */
  missedWithoutIdentity: number;
  /** The programs in which it was wrong, and the kinds of instructions that it changed there. */
  readonly programs: Set<string>;
  readonly instructions: Set<Kind>;
}

export interface CampaignReport {
  readonly seed: number;
  readonly kinds: readonly KindReport[];
  /** Harmless mutants that the verifier rejects, by the first code that is no comparison with the graphs. */
  readonly harmlessRejectedBy: Readonly<Record<string, number>>;
  /** What should not be: how to see it again, and what was said of it. */
  readonly notes: readonly string[];
  readonly seconds: number;
}

export interface CampaignOptions {
  /** Mutants that may be wrong, over all kinds. */
  readonly count: number;
  /** Legal changes, over all kinds. Default: a quarter as many. */
  readonly legal?: number;
  readonly seed?: number;
  /** Programs by name; default all. */
  readonly programs?: readonly string[];
  /** Kinds by name; default all. */
  readonly only?: readonly string[];
  readonly print?: (line: string) => void;
}

export function runCampaign(options: CampaignOptions): CampaignReport {
  const { count, legal = Math.ceil(count / 4), seed = 1, programs, only, print = () => {} } = options;
  const began = performance.now();
  const bases = buildBases(programs);
  for (const { scenario, kernels } of bases) {
    const [fault] = verifyProgram(scenario.program, scenario.placed, ops, kernels);
    if (fault) throw fault;
  }
  print(`${bases.length} programs built and verified in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  const campaign = new Campaign(bases, seededRandom(seed));
  campaign.run(faults, count, false, only);
  campaign.run(reorderings, legal, true, only);
  const { kinds, notes, harmlessRejectedBy } = campaign;
  return { seed, kinds: [...kinds.values()], harmlessRejectedBy, notes, seconds: (performance.now() - began) / 1000 };
}

class Campaign {
  readonly kinds = new Map<string, KindReport>();
  readonly notes: string[] = [];
  readonly harmlessRejectedBy: Record<string, number> = {};
  private readonly bases: readonly Base[];
  private readonly random: Random;

  constructor(bases: readonly Base[], random: Random) {
    this.bases = bases.flatMap((base) => Array.from({ length: base.weight }, () => base));
    this.random = random;
  }

  /** Kinds take turns, so that any count tries all of them. */
  run(mutations: Readonly<Record<string, Mutation>>, count: number, legal: boolean, only?: readonly string[]): void {
    const chosen = Object.entries(mutations).filter(([kind]) => !only || only.includes(kind));
    let tries = 0;
    for (let made = 0; made < count && tries < 20 * count && chosen.length > 0; tries++) {
      const [kind, mutate] = chosen[tries % chosen.length];
      if (this.one(kind, mutate, legal)) made++;
    }
  }

  private one(kind: string, mutate: Mutation, legal: boolean): boolean {
    const { scenario, truth, kernels } = this.random.pick(this.bases);
    const made = mutate(scenario.program, this.random);
    if (!made) return false;
    const mutant = kind in wrongKernels ? made : { ...made, program: rechosen(made.program, kernels) };
    const report = reportFor(this.kinds, kind, legal);
    const found = this.verified(mutant.program, scenario, kernels);
    const { wrong, how, policy } = truth.judge(mutant.program, mutant.aims);
    report.mutants++;
    const accepted = found.length === 0;
    const note = (what: string) =>
      this.notes.push(`${what}: ${kind} of '${scenario.name}'; ${found[0]?.message ?? `${how} under ${policy}`}`);
    if (wrong) {
      report.wrong++;
      report.programs.add(scenario.name);
      made.touches?.forEach((one) => report.instructions.add(one));
      if (accepted) {
        report.falseAccepts++;
        note('FALSE ACCEPT');
      } else report.wrongRejected++;
      if (!accepted && found.every(({ code }) => identityCodes.includes(code))) report.missedWithoutIdentity++;
      if (legal) note('NOT LEGAL AFTER ALL');
    } else if (accepted) report.harmlessAccepted++;
    else {
      report.harmlessRejected++;
      const { code } = found.find((fault) => !identityCodes.includes(fault.code)) ?? found[0];
      this.harmlessRejectedBy[code] = (this.harmlessRejectedBy[code] ?? 0) + 1;
      if (legal) note('FALSE REJECT');
    }
    return true;
  }

  private verified(program: Program, { placed }: Scenario, kernels: Base['kernels']): readonly DiagnosticError[] {
    try {
      const found = verifyProgram(program, placed, ops, kernels);
      const [whole, apart] = [found, provedApart(program, placed, kernels)].map((faults) =>
        faults.map(({ message }) => message).join('\n'),
      );
      if (whole !== apart) this.notes.push(`PROVED APART IT IS ANOTHER: ${apart || 'sound'}, and whole: ${whole}`);
      return found;
    } catch (error) {
      this.notes.push(`THE VERIFIER FAILS: ${(error as Error).message}`);
      return [];
    }
  }
}

/** The row of a kind, an empty one the first time. */
export function reportFor(
  kinds: Map<string, KindReport>,
  kind: string,
  legal: boolean,
  of: KindReport['of'] = 'program',
): KindReport {
  const known = kinds.get(kind);
  if (known) return known;
  const none = { wrong: 0, wrongRejected: 0, falseAccepts: 0, harmlessAccepted: 0, harmlessRejected: 0 };
  const seen = { programs: new Set<string>(), instructions: new Set<Kind>() };
  const report: KindReport = { kind, legal, of, mutants: 0, ...none, missedWithoutIdentity: 0, ...seen };
  kinds.set(kind, report);
  return report;
}

/** What compares the program with its graphs. */
const identityCodes: readonly string[] = ['program/dataflow-differs', 'program/boundary-differs'];
