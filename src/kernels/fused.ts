/** Fused ops whose native kernel sees one dimension a letter of the op's signature. */
import { dtypeBytes } from '../ir/dtype.js';
import type { OpRule } from '../ir/rule.js';
import type { Signature } from '../ir/signature.js';
import type { FactorName } from '../ir/type.js';
import type { DeviceType } from './device.js';
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

/** How a native kernel's operands follow from an op's. */
export interface FusedKernel {
  readonly kernel: string;
  /** Letters that the kernel sees as one dimension: `['b', 's', 'g r', 'd']`; the rest as they are. */
  readonly join?: readonly string[];
  readonly attributes?: (
    site: KernelSite,
    letters: Readonly<Record<string, number>>,
  ) => Readonly<Record<string, number>>;
  /** What the kernel asks for on a type of device; absent: it takes all sizes, and no workspace. */
  readonly on?: Partial<Readonly<Record<DeviceType, DeviceNeeds>>>;
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

/** The launch of a fused kernel; null where a letter's factors do not lie as one dimension. */
export function fusedLaunch(site: KernelSite, signature: Signature, fused: FusedKernel): LaunchForm | null {
  const { rule } = site;
  const sizes = localSizes(site);
  const letterSizes = lettersOf(rule, sizes);
  const operand = (of: LaunchOperand['of'], letters: readonly string[]): LaunchOperand | null => {
    const { block, names } = 'input' in of ? inputOf(site, of.input) : outputOf(site, of.output);
    const groups = joined(letters, fused.join ?? []).map((group) => group.flatMap((letter) => rule.letters[letter]));
    const merged = grouped(block, names, groups, sizes);
    return merged && { of, ...unitStride(merged) };
  };
  const operands = [
    ...signature.operands.map((slot, input) => operand({ input }, slot.letters)),
    ...signature.results.map((slot, output) => operand({ output }, slot.letters)),
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
