/**
 * Which nodes ask the same: all that a choice goes by, as text. Equal layers ask alike, layer by layer and group by group, so each choice
 * of a layer is made once.
 *
 * Nothing here decides anything. What is left out of a question must not change its answer: places are told as far as prices depend on
 * them (a group by its kind, a version of an operand by whether it is the reader's own group that has it), names are not told.
 */
import type { GraphBuilder } from '../ir/builder.js';
import { exactText } from '../ir/exact_text.js';
import type { Attributes, Node, ValueId } from '../ir/graph.js';
import { printSplit } from '../ir/layout.js';
import type { OpRule } from '../ir/rule.js';
import { Numbers } from '../ir/texts.js';
import { printType, type TensorType } from '../ir/type.js';
import type { Scope } from '../plan/scope.js';
import type { Splits } from './candidates.js';
import type { Pin } from './pins.js';
import type { Versions } from './versions.js';

/** A node where it is to be placed. */
export interface Asked {
  readonly node: Node;
  readonly group: number;
  /** Splits that the plan fixes. */
  readonly hint: Splits | null;
  /** Splits of the op that this one differentiates or is a part of. */
  readonly inherited: Splits | null;
  /** What is fixed of the choice, of a reproducible step. */
  readonly pin: Pin | null;
  /** The values that it reads, behind decompositions. */
  readonly operands: readonly ValueId[];
  readonly scope: Scope;
  /** No partial sum passes through it. */
  readonly reduced: boolean;
  /** It depends on data. */
  readonly ofData: boolean;
  /** Of each result: that it is left partial makes no debt. */
  readonly free: readonly boolean[];
  /** A result is an output that is taken as it comes. */
  readonly handedOver: boolean;
}

export class Questions {
  private readonly builder: GraphBuilder;
  private readonly versions: Versions;
  /** The kind of each group: groups of one kind have equal meshes and prices. */
  private readonly kinds: readonly number[];
  private readonly rules = new Numbers<OpRule>(JSON.stringify);
  private readonly attributes = new Numbers<Attributes>(exactText);
  private readonly types = new Numbers<TensorType>(printType);
  private readonly splits = new Numbers<Splits>((splits) =>
    Object.entries(splits)
      .map(([factor, split]) => `${factor}:${printSplit(split)}`)
      .join(' '),
  );

  constructor(builder: GraphBuilder, versions: Versions, kinds: readonly number[]) {
    this.builder = builder;
    this.versions = versions;
    this.kinds = kinds;
  }

  /** Equal for nodes whose choice is the same. */
  textOf({ node, group, hint, inherited, pin, operands, scope, reduced, ofData, free, handedOver }: Asked): string {
    const { op, rule, attributes, inputs, outputs, source } = node;
    const values = operands.map((value, i) => {
      const type = this.types.of(this.builder.typeOf(value));
      return `${type} ${inputs.indexOf(inputs[i])} ${this.versions.seenFrom(value, group, source)}`;
    });
    const results = outputs.map((value) => this.types.of(this.builder.typeOf(value)));
    const fixed = [hint, inherited, pin?.splits].map((splits) => (splits ? this.splits.of(splits) : ''));
    const what = [
      op,
      this.rules.of(rule),
      this.attributes.of(attributes),
      this.kinds[group],
      ...fixed,
      pin ? exactText(pin.through) : '',
      scope,
      reduced,
      ofData,
      handedOver,
      ...free,
    ];
    return `${what.join(' ')};${values.join(';')};${results.join(' ')}`;
  }
}
