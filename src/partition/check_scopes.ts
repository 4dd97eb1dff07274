/**
 * The checker of scopes (`plan/scope.ts`): what is made for a scope is read within it, by whoever reads it; what is made once a step is
 * the same for all its microbatches; and what the step gives outlasts its slots: nothing that is made again is in a contract. Meanings
 * do not tell it (`check_meaning.ts`): a version that is gone meant the same.
 */
import type { DiagnosticError } from '../ir/diagnostic.js';
import { instanceOf } from '../plan/scope.js';
import * as diagnose from './diagnostics.js';
import { describeStep, makersOf, type PlacedGraph, type PlacedId } from './placed.js';

/** Every value of a step's placed graph that its scope does not hold for; empty where all do. `chunkOf`: the chunk of a segment. */
export function checkScopes(graph: PlacedGraph, chunkOf: (segment: string) => number): readonly DiagnosticError[] {
  const { values, inputs, steps, outputs } = graph;
  const makers = makersOf(graph);
  const varying = new Set<PlacedId>(inputs.flatMap(({ kind, value }) => (kind === 'data' ? [value] : [])));
  const faults: DiagnosticError[] = [];
  const broken = (id: PlacedId, what: string): void => {
    const { name, scope } = values[id];
    faults.push(diagnose.scopeBroken({ value: name, scope, what, made: makers.get(id)?.source ?? null }));
  };
  for (const step of steps) {
    const { source } = step;
    for (const id of new Set(step.inputs)) {
      const maker = makers.get(id);
      if (!maker) continue;
      const [made, read] = [maker.source, source].map((of) => instanceOf(values[id].scope, of, chunkOf));
      if (made !== read) broken(id, `${describeStep(step)} at ${diagnose.placeOf(source)} reads it`);
    }
    if (!step.inputs.some((id) => varying.has(id))) continue;
    for (const id of step.outputs) {
      varying.add(id);
      if (values[id].scope === 'step') broken(id, 'each microbatch has its own');
    }
  }
  for (const { name, value } of outputs) {
    const { scope } = values[value];
    if (scope !== 'microbatch' && scope !== 'step') broken(value, `the step gives it as '${name}'`);
  }
  return faults;
}
