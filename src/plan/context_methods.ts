/** The ways in which ranks that share a sequence attend to all of it, and what follows from each for layouts, orders and sizes. */
import type { NamesElsewhere } from '../ir/nearest_choice.js';

interface MethodFacts {
  /** Ops in which positions meet are split by heads, to which queries, keys and values are exchanged, over one of the sequence's axes at least. */
  readonly exchangesHeads: boolean;
  /** Such ops are taken in steps, between which keys and values go from rank to rank. */
  readonly turns: boolean;
}

const facts = {
  allgather: { exchangesHeads: false, turns: false },
  ulysses: { exchangesHeads: true, turns: false },
  ring: { exchangesHeads: false, turns: true },
  'ulysses+ring': { exchangesHeads: true, turns: true },
} as const satisfies Readonly<Record<string, MethodFacts>>;

export type ContextMethod = keyof typeof facts;

export const contextMethods = Object.keys(facts) as readonly ContextMethod[];

/** What a method does; without one, nothing. */
export const contextMethodFacts = (method: ContextMethod | null | undefined): MethodFacts =>
  method ? facts[method] : { exchangesHeads: false, turns: false };

/** Whether each rank attends to all positions, for heads of its own: no order of them makes a rank's work less. */
export const hasAllPositions = (method: ContextMethod | null | undefined): boolean => {
  const { exchangesHeads, turns } = contextMethodFacts(method);
  return exchangesHeads && !turns;
};

/** Megatron-LM's `cp_comm_type`, torchtitan's `context_parallel_rotate_method`, and what papers call these. */
export const contextMethodsElsewhere: NamesElsewhere = {
  p2p: 'ring',
  alltoall: 'ring',
  zigzag: 'ring',
  a2a: 'ulysses',
  'a2a+p2p': 'ulysses+ring',
  usp: 'ulysses+ring',
};
