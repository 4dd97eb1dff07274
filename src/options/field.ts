/**
 * What an option says of itself, beside its type, range, choices and default, which its zod schema states.
 *
 * The schema of an option stands where the thing is that it sets (a model family's in its folder, the optimizer's in `optim`), and is the one
 * place that states these facts: checks, TypeScript types, command-line flags, help and `docs/config.md` are made from it.
 */
import 'zod';
import type { NamesElsewhere } from '../ir/nearest_choice.js';

export interface OptionFacts {
  /** What it means, in sentences; what `null` means, where null is legal. */
  readonly description: string;
  /** Of a number: `tokens`, `bytes`, `ratio`, … */
  readonly unit?: string;
  /** What changes when the value does. */
  readonly effect?: string;
  /** Whether it is a command-line flag of its own: by its own name, or by this one. */
  readonly flag?: true | string;
  /** What people who come from elsewhere call it: `hidden_size`, `n_embd`. In snake_case; such a name is answered with ours. */
  readonly also?: readonly string[];
  /** What its choices are called elsewhere; such a name is answered with ours. */
  readonly choicesElsewhere?: NamesElsewhere;
}

declare module 'zod' {
  // The facts given to `.meta()` are checked where they are written.
  interface GlobalMeta {
    unit?: OptionFacts['unit'];
    effect?: OptionFacts['effect'];
    flag?: OptionFacts['flag'];
    also?: OptionFacts['also'];
    choicesElsewhere?: OptionFacts['choicesElsewhere'];
  }
}
