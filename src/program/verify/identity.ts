/**
 * Rule 4: each template computes the placed section that it was made from, and the class takes and gives what its graphs do: the
 * dataflow, by names, has the hash that the program states.
 */
import type { DiagnosticError } from '../../ir/diagnostic.js';
import { boundaryOf, dataflowOf } from '../dataflow.js';
import { instructionsOf } from '../unroll.js';
import { describeRanks, type CompiledClass } from './compiled_class.js';
import * as diagnose from './diagnostics.js';

export function checkIdentity(compiled: CompiledClass): readonly DiagnosticError[] {
  const { templates, values, boundary, name } = compiled.rankClass;
  const faults = templates.flatMap((template) => {
    if (dataflowOf(instructionsOf(template), values) === template.dataflow) return [];
    const where = [{ at: template.name, note: describeRanks(compiled) }];
    return [diagnose.dataflowDiffers({ template: template.name, where })];
  });
  if (boundaryOf(compiled.rankClass) === boundary) return faults;
  return [...faults, diagnose.boundaryDiffers({ where: [{ at: name, note: describeRanks(compiled) }] })];
}
