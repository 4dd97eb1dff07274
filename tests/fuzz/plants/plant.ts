/** A fault that is put into what a search tries, to see that the search finds it. */
import type { OpRule } from '../../../src/ir/rule.js';
import type { ReferenceKernels } from '../../../src/ops/evaluate.js';
import type { ReferenceLaunch } from '../../../src/ops/launch.js';
import type { PlacedGraphs } from '../../../src/partition/place_graphs.js';
import type { Plan } from '../../../src/plan/plan.js';
import type { KernelInstruction, Program } from '../../../src/program/program.js';
import type { LoweredMove } from '../../../src/reshard/lower.js';
import type { Move } from '../../../src/reshard/moves.js';

export interface Plant {
  /** What is done wrong. */
  readonly what: string;
  /** Where such a fault was published. */
  readonly reference?: string;
  /** What an op says of itself, to the partitioner and to all who prove. */
  readonly rule?: (op: string, rule: OpRule) => OpRule;
  /** The placed graphs, behind their proof. */
  readonly graphs?: (placed: PlacedGraphs, plan: Plan) => PlacedGraphs;
  readonly program?: (program: Program) => Program;
  /** What a rank does for a move. */
  readonly move?: (lowered: LoweredMove, move: Move) => LoweredMove;
  /** What a rank computes; one device computes right. */
  readonly kernel?: (launch: ReferenceLaunch, right: ReferenceKernels) => readonly Float64Array[];
  /** Of {@link kernel}: the instructions in which it may show. Absent: any. */
  readonly at?: (instruction: KernelInstruction) => boolean;
}

export type Plants = Readonly<Record<string, Plant>>;
