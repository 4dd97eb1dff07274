/** What a model's loss says of its terms, held to what they may be. */
import { Tensor } from '../ir/tensor.js';
import { denominators, scalarOf } from './denominators.js';
import { wrongTerm } from './diagnostics.js';
import type { LanguageModel, LossTerm, SummedLoss } from './language_model.js';
import type { ModelBuilder } from './model_builder.js';
import type { TracedTerm } from './trace.js';

/** Throws `nn/wrong-term`. */
export function checkTerms(
  model: LanguageModel,
  { tokens, terms = [] }: SummedLoss,
  builder: ModelBuilder,
): readonly TracedTerm[] {
  const seen = new Set<string>();
  return terms.map((term) => {
    const { name, over } = term;
    const fault = faultOf(term, seen) ?? (builder.countsRealTokens(tokens) ? null : countFault(term));
    if (fault) throw wrongTerm({ module: model.constructor.name, term: String(name), ...fault });
    seen.add(name);
    return { name, over };
  });
}

interface Fault {
  readonly problem: string;
  readonly why?: string;
  readonly fix: string;
}

/** Without TypeScript's checks anything may stand there. */
function faultOf({ name, sum, over, weight }: Partial<LossTerm>, seen: ReadonlySet<string>): Fault | null {
  if (typeof name !== 'string' || !/^[a-z][a-z0-9_]*$/.test(name))
    return { problem: 'which is no name for metrics', fix: 'name it by small letters, digits and underscores' };
  if (seen.has(name)) return { problem: 'twice', fix: 'give each term a name of its own' };
  if (!(sum instanceof Tensor) || sum.names.length > 0) {
    const has = sum instanceof Tensor ? `a sum of [${sum.names.join(' ')}]` : 'no tensor as its sum';
    return { problem: `which has ${has}`, fix: `give a scalar: sum over what is left, by einsum([], [])` };
  }
  if (!denominators.some((one) => one === over))
    return { problem: `averaged over ${String(over)}`, fix: `set over to ${denominators.join(' or ')}` };
  if (typeof weight !== 'number' || !Number.isFinite(weight))
    return { problem: `of weight ${String(weight)}`, fix: 'give a finite number' };
  return null;
}

const countFault = ({ over }: LossTerm): Fault | null =>
  scalarOf[over] === null
    ? null
    : {
        problem: `averaged over ${over}, beside tokens of its own count`,
        why: 'how many tokens there are to one of those is asked before a step begins, and is known of its real tokens alone',
        fix: 'give the tokens of nn.crossEntropy or nn.sumOverRealTokens, for the labels as they came; or average the term over tokens',
      };
