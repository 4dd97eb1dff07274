/**
 * The checker of exact sums: of a reproducible plan whatever a step gives is a sum of addends that are exact, and of any plan no other value
 * is made of such. Neither placement nor meaning tells it: to put addends on a grid is linear by its rule.
 */
import { isFloat } from '../ir/dtype.js';
import type { DiagnosticError } from '../ir/diagnostic.js';
import { exactText } from '../ir/exact_text.js';
import { opNamed, type OpRegistry } from '../ir/op.js';
import { ownerOf } from '../ir/role.js';
import * as diagnose from './diagnostics.js';
import { makersOf, type PlacedGraph, type PlacedId, type PlacedStep } from './placed.js';

/** Every output of a step that is another sum, and every addend on a grid that is no output's or unlike others'; empty where there is none. */
export function checkExactSums(
  graph: PlacedGraph,
  registry: OpRegistry,
  reproducible: boolean,
): readonly DiagnosticError[] {
  const makers = makersOf(graph);
  const isExact = (step: PlacedStep) => step.kind === 'op' && opNamed(registry, step.op).exact === true;
  const summed = new Set<PlacedStep>();
  const faults: DiagnosticError[] = [];
  const seen = new Set<PlacedId>();
  // One grid and one limit a role, of what is packed a member: parts of a gradient that chunks give are added too.
  const grids = new Map<string, string>();
  const back = (id: PlacedId, output: string, sum: string): void => {
    if (seen.has(id)) return;
    seen.add(id);
    const step = makers.get(id);
    const rounds = () =>
      faults.push(diagnose.sumRounds({ output, value: graph.values[id].name, source: step?.source ?? null }));
    if (step?.kind === 'op' && isExact(step)) {
      summed.add(step);
      const grid = exactText(step.attributes);
      if ((grids.get(sum) ?? grid) !== grid) rounds();
      grids.set(sum, grid);
    } else if (step?.kind === 'pack') {
      step.inputs.forEach((input, k) => back(input, output, `${sum} ${step.members[k].name}`));
    } else if (step && passesOn(step, registry)) for (const input of step.inputs) back(input, output, sum);
    else rounds();
  };
  if (reproducible)
    for (const { name, role, value } of graph.outputs)
      if (isFloat(graph.values[value].type.dtype)) back(value, name, `${role.kind} ${ownerOf(role) ?? name}`);
  for (const step of graph.steps) {
    if (step.kind !== 'op' || !isExact(step) || summed.has(step)) continue;
    faults.push(
      diagnose.addendsRounded({ op: step.op, value: graph.values[step.inputs[0]].name, source: step.source }),
    );
  }
  return faults;
}

/** What gives the sum of what it is given, or moves it: zeros are the sum of nothing. */
function passesOn(step: PlacedStep, registry: OpRegistry): boolean {
  if (step.kind !== 'op') return step.kind === 'move' || step.kind === 'transfer';
  const zeros = step.op === 'fill' && step.attributes.value === 0;
  return zeros || opNamed(registry, step.op).adds === true;
}
