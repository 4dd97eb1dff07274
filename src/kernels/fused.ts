/** Fused ops whose native kernel sees one dimension a letter of the op's signature. */
import { dtypeBytes, type DType } from '../ir/dtype.js';
import type { OpRule } from '../ir/rule.js';
import { rowMajor } from '../ir/strides.js';
import type { Signature, SignatureSlot } from '../ir/signature.js';
import type { FactorName } from '../ir/type.js';
import { noScratch, type DeviceType } from './device.js';
import {
  grouped,
  inputOf,
  localSizes,
  outputOf,
  unitStride,
  type LaunchForm,
  type KernelSite,
  type LaunchOperand,
} from './site.js';
import { roundUp, stagedLaunches, type Copy } from './staged.js';
import { commonFloat, isKernelFloat, isNarrowFloat } from './types.js';

/** How a native kernel's operands follow from an op's. */
export interface FusedKernel {
  readonly kernel: string;
  /** Letters that the kernel sees as one dimension: `['b', 's', 'g r', 'd']`; the rest as they are. */
  readonly join?: readonly string[];
  readonly attributes?: (
    site: KernelSite,
    letters: Readonly<Record<string, number>>,
  ) => Readonly<Record<string, number>>;
  /** What a result is of operands without elements, by its name; absent: 0. */
  readonly ofNothing?: Readonly<Record<string, number>>;
  /** Where one launch does not do for a block: the pieces in which it is worked on, which have its results among them. */
  readonly pieces?: (site: KernelSite) => readonly Piece[];
  /**
   * Which element types the operands of class `float` may have: `one` for all (f32, bf16 or f64), `each` its own of f32 and bf16, or `any`
   * with any strides. f64 is never mixed with others but for `any`.
   */
  readonly types: 'one' | 'each' | 'any';
  /** Sets of operands and results that have one type all the same: `['weight', 'bias']`. */
  readonly alike?: readonly (readonly string[])[];
  /** What the kernel asks for on a type of device; absent: it takes all sizes, and no workspace. */
  readonly on?: Partial<Readonly<Record<DeviceType, DeviceNeeds>>>;
}

/** A part of an op's block that one launch works on. */
export interface Piece {
  /** Letter → the run of it, within the block. Letters that are not named are whole. */
  readonly runs: Readonly<Record<string, readonly [from: number, size: number]>>;
  /** In place of those of the kernel's. */
  readonly attributes: Readonly<Record<string, number>>;
}

export interface DeviceNeeds {
  /** Which sizes, by letter, the kernel takes; absent: all. Where it does not, the op's decomposition runs. */
  readonly takes?: (letters: Readonly<Record<string, number>>) => boolean;
  /** Workspace in bytes, from sizes by letter, element bytes of the first operand and of the accumulator. */
  readonly scratchBytes?: (letters: Readonly<Record<string, number>>, size: number, accumulator: number) => number;
}

/** Elements of each letter of a signature, where a rule's factors have these sizes. */
export const lettersOf = (
  rule: OpRule,
  sizes: Readonly<Record<FactorName, number>>,
): Readonly<Record<string, number>> =>
  Object.fromEntries(
    Object.entries(rule.letters).map(([letter, names]) => [letter, names.reduce((n, name) => n * sizes[name], 1)]),
  );

/**
 * The launches of a fused kernel: one, or, where a letter's factors do not lie as one dimension or types are none that it takes, one on
 * copies. Null where the kernel does not take even those.
 */
export function fusedLaunches(
  site: KernelSite,
  signature: Signature,
  fused: FusedKernel,
): readonly LaunchForm[] | null {
  const types = typesTaken(site, signature, fused);
  const copyOf = (slot: SignatureSlot, at: { input: number } | { output: number }): Copy | null => {
    const { block, names } = 'input' in at ? inputOf(site, at.input) : outputOf(site, at.output);
    const dtype = types.get(slot.name)!;
    return block.dtype === dtype && launchOperand(site, slot, at, fused) ? null : { names, dtype };
  };
  const inputs = signature.operands.map((slot, input) => copyOf(slot, { input }));
  const outputs = signature.results.map((slot, output) => copyOf(slot, { output }));
  const launcher = (given: KernelSite) => pieceLaunches(given, signature, fused);
  if ([...inputs, ...outputs].every((copy) => copy === null)) return launcher(site);
  return stagedLaunches(site, { inputs, outputs }, launcher);
}

/** The element type in which the kernel is given each operand and result, by name: its own wherever the kernel takes that. */
function typesTaken(
  { inputs, outputs }: KernelSite,
  { operands, results }: Signature,
  { types, alike = [] }: FusedKernel,
): ReadonlyMap<string, DType> {
  const slots = [...operands, ...results];
  const own = new Map(slots.map(({ name }, i) => [name, [...inputs, ...outputs][i].dtype]));
  if (types === 'any') return own;
  const typesOf = (names: readonly string[]) => names.flatMap((name) => own.get(name) ?? []);
  const isOne = (list: readonly DType[]) => list.every((dtype) => dtype === list[0]);
  const floats = typesOf(slots.filter((slot) => slot.class === 'float').map(({ name }) => name));
  const accumulator = commonFloat([...own.values()]);
  const fits =
    accumulator === 'f64'
      ? floats.every((dtype) => dtype === 'f64')
      : types === 'one'
        ? isOne(floats) && floats.every(isKernelFloat)
        : floats.every(isNarrowFloat) && alike.every((names) => isOne(typesOf(names)));
  const taken = (slot: SignatureSlot, dtype: DType): DType =>
    slot.class === 'f32' || (slot.class === 'float' && !fits) ? accumulator : dtype;
  return new Map(slots.map((slot) => [slot.name, taken(slot, own.get(slot.name)!)]));
}

/** An operand or result as the kernel sees it, one dimension a letter; null where a letter's factors do not lie so. */
function launchOperand(
  site: KernelSite,
  { letters }: SignatureSlot,
  of: { readonly input: number } | { readonly output: number },
  { join = [], types }: FusedKernel,
): LaunchOperand | null {
  const { block, names } = 'input' in of ? inputOf(site, of.input) : outputOf(site, of.output);
  const groups = joined(letters, join).map((group) => group.flatMap((letter) => site.rule.letters[letter]));
  const merged = grouped(block, names, groups, localSizes(site));
  if (!merged) return null;
  const operand = { of, ...unitStride(merged) };
  return types === 'any' || operand.strides.length === 0 || operand.strides.at(-1) === 1 ? operand : null;
}

/** One launch for each piece. Where an earlier piece has written a result already, it is made by itself and added. */
function pieceLaunches(site: KernelSite, signature: Signature, fused: FusedKernel): readonly LaunchForm[] | null {
  const launch = fusedLaunch(site, signature, fused);
  if (!launch || !fused.pieces) return launch && [launch];
  const slots = [...signature.operands, ...signature.results];
  const dims = slots.map(({ letters }) => joined(letters, fused.join ?? []));
  const written: Written[] = [];
  let most = 0;
  const launches = fused.pieces(site).flatMap(({ runs, attributes }): readonly LaunchForm[] => {
    // Pieces follow each other, and stage in the same place.
    let staged = 0;
    const operands = launch.operands.map((operand, i) =>
      Object.entries(runs).reduce((one, [letter, run]) => {
        const dim = dims[i].findIndex((letters) => letters.includes(letter));
        return dim < 0 ? one : narrow(one, dim, run);
      }, operand),
    );
    const results = operands.slice(signature.operands.length);
    if (results.every(isEmpty)) return [];
    // Of nothing no kernel is asked: what a sum over nothing is, is written.
    if (operands.slice(0, signature.operands.length).some(isEmpty))
      return results.flatMap((result, i) => {
        const value = fused.ofNothing?.[signature.results[i].name] ?? 0;
        return isEmpty(result)
          ? []
          : [{ kernel: 'fill', operands: [result], attributes: { value }, scratchBytes: noScratch }];
      });
    const additions: LaunchForm[] = [];
    const made = operands.map((operand) => {
      if (!('output' in operand.of) || isEmpty(operand)) return operand;
      const { output } = operand.of;
      const here = { output, offset: operand.offset ?? 0, sizes: String(operand.sizes) };
      const again = written.some(
        (one) => one.output === output && one.offset === here.offset && one.sizes === here.sizes,
      );
      written.push(here);
      if (!again) return operand;
      const { dtype } = site.outputs[output];
      const block = { sizes: operand.sizes, strides: rowMajor(operand.sizes) };
      const of = { staged, dtype };
      staged += roundUp(operand.sizes.reduce((n, size) => n * size, 1) * dtypeBytes[dtype]);
      additions.push({
        kernel: 'add',
        operands: [operand, { ...block, of: { ...of, access: 'read' } }, operand],
        attributes: {},
        scratchBytes: noScratch,
      });
      return { ...block, of: { ...of, access: 'write' as const } };
    });
    most = Math.max(most, staged);
    return [{ ...launch, operands: made, attributes: { ...launch.attributes, ...attributes } }, ...additions];
  });
  return launches.map((one) => ({ ...one, stagedBytes: most }));
}

/** Where a launch writes a result. */
interface Written {
  readonly output: number;
  readonly offset: number;
  readonly sizes: string;
}

const isEmpty = ({ sizes }: LaunchOperand): boolean => sizes.includes(0);

/** A run of one dimension of an operand. */
const narrow = (operand: LaunchOperand, dim: number, [from, size]: readonly [number, number]): LaunchOperand => ({
  ...operand,
  sizes: operand.sizes.map((one, i) => (i === dim ? size : one)),
  offset: (operand.offset ?? 0) + from * operand.strides[dim],
});

function fusedLaunch(site: KernelSite, signature: Signature, fused: FusedKernel): LaunchForm | null {
  const letterSizes = lettersOf(site.rule, localSizes(site));
  const operands = [
    ...signature.operands.map((slot, input) => launchOperand(site, slot, { input }, fused)),
    ...signature.results.map((slot, output) => launchOperand(site, slot, { output }, fused)),
  ];
  if (operands.some((o) => o === null)) return null;
  const dtype = site.inputs[0].dtype;
  const scratchBytes = (device: DeviceType): number =>
    fused.on?.[device]?.scratchBytes?.(letterSizes, dtypeBytes[dtype], dtype === 'f64' ? 8 : 4) ?? 0;
  return {
    kernel: fused.kernel,
    operands: operands as LaunchOperand[],
    attributes: fused.attributes?.(site, letterSizes) ?? {},
    scratchBytes: { cpu: scratchBytes('cpu'), cuda: scratchBytes('cuda') },
  };
}

/** Adjacent letters that stand together in a joined group become one dimension. */
function joined(letters: readonly string[], join: readonly string[]): readonly (readonly string[])[] {
  const groups: string[][] = [];
  for (const letter of letters) {
    const together = join.find((group) => group.split(' ').includes(letter))?.split(' ') ?? [];
    const last = groups[groups.length - 1];
    if (last && together.includes(last[last.length - 1])) last.push(letter);
    else groups.push([letter]);
  }
  return groups;
}
