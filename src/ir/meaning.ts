/**
 * What a value means: which function it is of parameters, state, data and scalars, whoever computes it, in whichever order and layout.
 *
 * Two values mean the same where the same op, under the same rule and attributes, was applied to operands that mean the same. Moves,
 * messages and copies change where a value lies, not what it means. Equal meanings have one number (hash consing, Ershov 1958), so that
 * they are compared in no time.
 */
import type { Attributes } from './graph.js';
import type { OpRegistry } from './op.js';
import { roleKey, type Role } from './role.js';
import { ruleText, type OpRule } from './rule.js';

/** Equal numbers of one {@link Meanings}: equal meanings. */
export type Meaning = number;

/** An op as it is applied: of a graph's node, a placed step, an instruction or a view. */
export interface Applied {
  readonly op: string;
  readonly rule: OpRule;
  readonly attributes: Attributes;
}

export class Meanings {
  protected readonly registry: OpRegistry;
  private readonly numbers = new Map<string, Meaning>();
  /** By rule: the last op and attributes that were met with it, as a number; null: it copies. */
  private readonly ops = new WeakMap<OpRule, Omit<Applied, 'rule'> & { readonly number: number | null }>();
  /** Buckets whose tensors are known. */
  private readonly contents = new Map<Meaning, readonly Meaning[]>();

  constructor(registry: OpRegistry) {
    this.registry = registry;
  }

  /** A parameter, a piece of state, a scalar, or one microbatch of data. */
  input(role: Role): Meaning {
    return this.number(`input ${roleKey(role)}`);
  }

  /** Result `result` of an op. */
  result(applied: Applied, operands: readonly Meaning[], result: number): Meaning {
    const op = this.op(applied);
    return op === null ? operands[0] : this.number(`${result} of ${op} (${operands.join(' ')})`);
  }

  /** What every microbatch of a step contributes to, once each. Of a bucket it is the bucket of its tensors' sums. */
  sum(contribution: Meaning): Meaning {
    const tensors = this.contents.get(contribution);
    return tensors ? this.bucket(tensors.map((tensor) => this.sum(tensor))) : this.number(`sum of ${contribution}`);
  }

  /** Tensors that lie one behind the other. */
  bucket(tensors: readonly Meaning[]): Meaning {
    const made = this.number(`bucket of ${tensors.join(' ')}`);
    this.contents.set(made, tensors);
    return made;
  }

  /** The k-th tensor of a bucket. */
  part(bucket: Meaning, k: number): Meaning {
    return this.contents.get(bucket)?.[k] ?? this.number(`part ${k} of ${bucket}`);
  }

  /** Equal for one op under equal rules and attributes; null: it copies its operand. */
  private op({ op, rule, attributes }: Applied): number | null {
    const known = this.ops.get(rule);
    if (known?.op === op && known.attributes === attributes) return known.number;
    const keys = Object.keys(attributes).sort();
    const given = keys.map((key) => `${key}=${JSON.stringify(attributes[key])}`).join(' ');
    const copies = this.registry.get(op)?.copies?.(attributes) === true;
    const number = copies ? null : this.number(`${op} {${given}} by ${ruleText(rule)}`);
    this.ops.set(rule, { op, attributes, number });
    return number;
  }

  /** The number of what is written like this. */
  protected number(text: string): Meaning {
    const known = this.numbers.get(text);
    if (known !== undefined) return known;
    const made = this.numbers.size;
    this.numbers.set(text, made);
    return made;
  }
}
