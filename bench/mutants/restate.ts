/** A class or a program that states what its text and tables now are, as a lowering that made them so would. */
import { boundaryOf, dataflowOf } from '../../src/program/dataflow.js';
import type { Program, RankClass } from '../../src/program/program.js';
import { instructionsOf } from '../../src/program/unroll.js';

export function restated(program: Program): Program {
  return { ...program, classes: program.classes.map(restatedClass) };
}

export function restatedClass(rankClass: RankClass): RankClass {
  const { values, templates } = rankClass;
  return {
    ...rankClass,
    templates: templates.map((one) => ({ ...one, dataflow: dataflowOf(instructionsOf(one), values) })),
    boundary: boundaryOf(rankClass),
  };
}
