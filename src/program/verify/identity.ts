/** Rule 4: each template computes the placed section that it was made from: its dataflow, by names, has the hash it states. */
import type { DiagnosticError } from '../../ir/diagnostic.js';
import { dataflowOf } from '../dataflow.js';
import { describeRanks, type CompiledClass } from './compiled_class.js';
import * as diagnose from './diagnostics.js';

export function checkIdentity(compiled: CompiledClass): readonly DiagnosticError[] {
  const { templates, values } = compiled.rankClass;
  return templates.flatMap(({ name, body, dataflow }) => {
    if (dataflowOf(body, values) === dataflow) return [];
    const where = [{ at: name, note: describeRanks(compiled) }];
    return [diagnose.dataflowDiffers({ template: name, where })];
  });
}
