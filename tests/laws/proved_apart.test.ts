/**
 * A program's proof is the proofs of its classes, each made where there is no other class, and that of their meetings from digests: the same
 * faults as of the whole, on random plans, also where something of one class has been changed.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { faults } from '../../bench/mutants/faults/index.js';
import { seededRandom } from '../../bench/mutants/random.js';
import { compileGraphs } from '../../src/compile/compile.js';
import type { DiagnosticError } from '../../src/ir/diagnostic.js';
import { ops } from '../../src/ops/index.js';
import type { Program } from '../../src/program/program.js';
import { ranksOf } from '../../src/program/ranks.js';
import { tableOf } from '../../src/plan/plan_schedule.js';
import { verifyProgram } from '../../src/verify/index.js';
import { anyTraining, trainingScenario } from '../arbitraries/training.js';
import { provedApart } from '../scenarios/proved_apart.js';
import { buildScenario, graphOptionsOf, parametersOf } from '../scenarios/scenario.js';

const said = (found: readonly DiagnosticError[]) => found.map(({ message }) => message);

const kinds = Object.keys(faults);

test('classes that are compiled and proved apart are the program, and proved like it', () => {
  fc.assert(
    fc.property(
      anyTraining(),
      fc.array(fc.tuple(fc.constantFrom(...kinds), fc.nat()), { maxLength: 4 }),
      (draw, changes) => {
        const options = trainingScenario(draw);
        const { plan, program, placed } = buildScenario(options);
        const { step, update } = options;
        const parameters = parametersOf(step);
        const apart: Program = {
          ...program,
          classes: program.classes.flatMap((one) => {
            const [rank] = ranksOf(program.groups, one);
            const given = { ...graphOptionsOf(options, plan), rank };
            return compileGraphs(given, { parameters }, step, update, tableOf(plan)).program.classes;
          }),
        };
        expect(apart).toEqual(program);
        expect(said(verifyProgram(program, placed, ops))).toEqual([]);
        expect(said(provedApart(apart, placed))).toEqual([]);
        for (const [kind, seed] of changes) {
          const changed = faults[kind](program, seededRandom(seed))?.program;
          if (changed) expect(said(provedApart(changed, placed))).toEqual(said(verifyProgram(changed, placed, ops)));
        }
      },
    ),
    { numRuns: Number(process.env.RUNS ?? 8) },
  );
});
