/**
 * What a program says of values that no instruction makes and of operands that another engine sees otherwise: the reference engine
 * computes neither, so each is computed here and compared.
 *
 *   views     the op that a view is made by, evaluated on its inputs, gives the elements that the view shows
 *   letters   kernels of fused ops see an operand one dimension a letter: its letters, written out, are its factors in their order
 */
import type { Observer } from '../../../src/engine/reference/machine.js';
import type { VirtualRank } from '../../../src/engine/reference/virtual_rank.js';
import { opNamed, type OpRegistry } from '../../../src/ir/op.js';
import type { OpRule } from '../../../src/ir/rule.js';
import type { SignatureSlot } from '../../../src/ir/signature.js';
import type { ReferenceKernels } from '../../../src/ops/evaluate.js';
import type { Program, RankClass, ScheduleStep, ValueIndex, ViewOp } from '../../../src/program/program.js';
import { operandsOf } from '../../../src/program/kinds.js';
import { instructionsOf } from '../../../src/program/unroll.js';

/** Throws at the first view that does not show what its op makes of its inputs; looked at when what it shows has just been written. */
export function viewWatch(kernels: ReferenceKernels): Observer {
  const watched = new WeakMap<RankClass, ReadonlyMap<ValueIndex, readonly ValueIndex[]>>();
  return (rank, { instruction, step }) => {
    const known = watched.get(rank.rankClass) ?? viewsBySource(rank.rankClass);
    watched.set(rank.rankClass, known);
    for (const { value, access } of operandsOf(instruction)) {
      if (access !== 'read') for (const view of known.get(value) ?? []) checkView(rank, view, step, kernels);
    }
  };
}

/** What is written → the views that show elements of it. */
function viewsBySource({ values }: RankClass): ReadonlyMap<ValueIndex, readonly ValueIndex[]> {
  const found = new Map<ValueIndex, ValueIndex[]>();
  values.forEach(({ view }, index) => {
    if (!view?.made) return;
    let source = view.of;
    while (values[source].view?.made) source = values[source].view!.of;
    found.set(source, [...(found.get(source) ?? []), index]);
  });
  return found;
}

function checkView(rank: VirtualRank, index: ValueIndex, step: ScheduleStep, kernels: ReferenceKernels): void {
  const { name, view } = rank.rankClass.values[index];
  const { op, outputs } = view!.made!;
  const made = evaluateView(rank, view!.made!, step, kernels)[outputs.indexOf(index)];
  const shown = rank.arena.read(rank.view(index, step));
  if (!made || made.length !== shown.length || made.some((x, i) => !Object.is(x, shown[i])))
    throw new RangeError(`'${name}' does not show what ${op} makes`);
}

function evaluateView(
  rank: VirtualRank,
  { op, rule, attributes, inputs, outputs }: ViewOp,
  step: ScheduleStep,
  kernels: ReferenceKernels,
): readonly Float64Array[] {
  const [from, to] = [inputs, outputs].map((list) => list.map((value) => rank.view(value, step)));
  const sizes = [...rule.operands, ...rule.results].flatMap((names, i) =>
    names.map((name, k) => [name, [...from, ...to][i].sizes[k]] as const),
  );
  return kernels({
    op,
    rule,
    attributes,
    sizes: Object.fromEntries(sizes),
    origins: {},
    operandTypes: from.map(({ dtype }) => dtype),
    resultTypes: to.map(({ dtype }) => dtype),
    inputs: from.map((one) => rank.arena.read(one)),
  });
}

/** The op of the first instruction whose letters are not those of its operands; null where all are. */
export function wrongLetters({ classes }: Program, registry: OpRegistry): string | null {
  for (const template of classes.flatMap(({ templates }) => templates)) {
    for (const instruction of instructionsOf(template)) {
      if (instruction.kind !== 'kernel') continue;
      const { signature } = opNamed(registry, instruction.op);
      if (signature && !lettersFit(instruction.rule, signature.operands, signature.results)) return instruction.op;
    }
  }
  return null;
}

function lettersFit(rule: OpRule, operands: readonly SignatureSlot[], results: readonly SignatureSlot[]): boolean {
  const fits = (list: readonly (readonly string[])[], slots: readonly SignatureSlot[]) =>
    list.every((factors, i) => String(slots[i]?.letters.flatMap((letter) => rule.letters[letter])) === String(factors));
  return fits(rule.operands, operands) && fits(rule.results, results);
}
