/**
 * How ranks that share a logical microbatch share each op of a reproducible step: as they would if there were no other ranks. What an op
 * costs depends on all of a plan; over what a product sums must not.
 *
 * The step is partitioned a first time for the ranks that share one microbatch, in one group. What was chosen there is fixed the second
 * time; axes that deal out whole microbatches split whatever has them, and nothing else that has them.
 */
import { canonicalSplit, type Split } from '../ir/layout.js';
import type { AxisName, Mesh } from '../ir/mesh.js';
import type { Assignment, OpRule } from '../ir/rule.js';
import type { FactorName } from '../ir/type.js';
import { axesOn } from '../plan/splits.js';
import { splitsKey, type Splits } from './candidates.js';

/** A choice as the partitioner makes it: {@link ExplainedChoice}. */
interface Chosen {
  readonly name: string;
  readonly node: { readonly rule: OpRule };
  readonly assignment: Assignment;
}

/** The factor that data axes deal out whole. */
const dealt: FactorName = 'microbatch';

/** What is fixed for one node, over the axes that share a microbatch. */
export interface Pin extends Assignment {
  /** In the plan's order: those that split the microbatches of whatever has them. */
  readonly dealing: readonly AxisName[];
  /** Those of them that split nothing else. */
  readonly free: readonly AxisName[];
}

export interface PinOptions {
  /** What was chosen for the ranks that share one microbatch; none where there is one such rank. */
  readonly choices: readonly Chosen[];
  readonly dealing: readonly AxisName[];
  readonly free: readonly AxisName[];
}

export class Pins {
  private readonly options: PinOptions;
  private readonly known: ReadonlyMap<string, Assignment>;
  private readonly keys = new Keys();

  constructor(options: PinOptions) {
    this.options = options;
    const keys = new Keys();
    this.known = new Map(
      options.choices.map(({ name, node, assignment }) => [keys.next(name, node.rule), assignment] as const),
    );
  }

  /** For the next node; null where there was none such, and it sums nothing: a cast for a group, an addition of parts. */
  next(name: string, rule: OpRule): Pin | null {
    const { choices, dealing, free } = this.options;
    const key = this.keys.next(name, rule);
    const found = choices.length === 0 ? { splits: {}, through: {} } : this.known.get(key);
    if (!found && sums(rule)) throw new Error(`the step of one microbatch has no counterpart of ${name}`);
    return found ? { ...found, dealing, free } : null;
  }
}

/**
 * Nodes that are alike: a pass that sets some apart, or casts for each group, changes their ordinals and where they run, and not what they
 * are.
 */
class Keys {
  private readonly counts = new Map<string, number>();

  next(name: string, { operands, results }: OpRule): string {
    const place = name.replace(/\.\d+$/, '').replace(phases.weight, phases.backward);
    const stem = `${place} ${operands.join(';')} ${results.join(';')}`;
    const ordinal = this.counts.get(stem) ?? 0;
    this.counts.set(stem, ordinal + 1);
    return `${stem} ${ordinal}`;
  }
}

const sums = ({ factors, results }: OpRule): boolean =>
  Object.keys(factors).some((factor) => results.some((result) => !result.includes(factor)));

/** In names of nodes: gradients of weights that a schedule sets apart are of the backward. */
const phases = { weight: '/weight/', backward: '/backward/' } as const;

/** Those candidates that a pin leaves: of a node that has microbatches, the one that it says. */
export function pinned(candidates: readonly Splits[], pin: Pin, rule: OpRule, mesh: Mesh): readonly Splits[] {
  if (!Object.hasOwn(rule.factors, dealt))
    return candidates.filter((splits) => same(beside(splits, pin.free), beside(pin.splits, pin.free)));
  const own = pin.splits[dealt]?.axes ?? [];
  const axes = axesOn(mesh, pin.dealing).filter((axis) => own.includes(axis) || pin.free.includes(axis));
  const { [dealt]: _, ...others } = pin.splits;
  if (axes.length === 0) return [others];
  return [{ ...others, [dealt]: canonicalSplit(mesh, { axes }, rule.factors[dealt].size) }];
}

/** Whether partial sums over the axes that share a microbatch pass as a pin says. */
export const passesAsPinned = ({ through, free }: Pin, assignment: Assignment): boolean =>
  Object.entries({ ...through, ...assignment.through }).every(
    ([axis]) => free.includes(axis) || through[axis] === assignment.through[axis],
  );

/** Whether an assignment is one that a pin leaves. */
export function keepsPin(assignment: Assignment, pin: Pin, rule: OpRule, mesh: Mesh): boolean {
  const [left] = pinned([assignment.splits], pin, rule, mesh);
  return left !== undefined && same(left, assignment.splits) && passesAsPinned(pin, assignment);
}

const beside = (splits: Splits, free: readonly AxisName[]): Splits =>
  Object.fromEntries(
    Object.entries(splits).flatMap(([factor, split]): [FactorName, Split][] => {
      const axes = split.axes.filter((axis) => !free.includes(axis));
      return axes.length === 0 ? [] : [[factor, axes.length === split.axes.length ? split : { axes }]];
    }),
  );

const same = (a: Splits, b: Splits): boolean => splitsKey(a) === splitsKey(b);
