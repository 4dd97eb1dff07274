/** Faults planted in what runs a program: in a kernel, or in a program after it was proved. */
import type { Engine, LoadedProgram } from '../../src/engine/engine.js';
import { ReferenceEngine } from '../../src/engine/reference/index.js';
import type { OpRegistry, ReferenceCall } from '../../src/ir/op.js';
import { rankAt } from '../../src/ir/mesh.js';
import { referenceKernels } from '../../src/ops/evaluate.js';
import { ops } from '../../src/ops/index.js';
import type { ReferenceLaunch } from '../../src/ops/launch.js';
import type { InstructionOf } from '../../src/program/kinds.js';
import type { Instruction, Program, RankClass } from '../../src/program/program.js';
import { unfold } from '../../src/program/unroll.js';

export interface Fault {
  readonly registry?: OpRegistry;
  readonly edit?: (program: Program) => Program;
}

/** The reference engine with a fault in it. */
export class FaultyEngine extends ReferenceEngine implements Engine {
  readonly #edit: (program: Program) => Program;

  constructor({ registry = ops, edit = (program) => program }: Fault) {
    super({ registry });
    this.#edit = edit;
  }

  override load(program: Program): Promise<LoadedProgram> {
    return super.load(this.#edit(program));
  }
}

/** An op whose kernel gives something else: `change` gets a block of the right result. */
export function wrongKernel(op: string, change: (block: Float64Array, call: ReferenceCall) => Float64Array): Fault {
  const right = referenceKernels(ops);
  const definition = ops.get(op)!;
  const reference = (call: ReferenceCall) => {
    // A kernel is called with the whole launch.
    const [first, ...others] = right(call as ReferenceLaunch);
    return [change(first, call), ...others];
  };
  return { registry: new Map([...ops, [op, { ...definition, reference }]]) };
}

/** A program in which each instruction that `wanted` accepts is replaced by some others: on all ranks, or on one. */
export function edited(
  wanted: (instruction: Instruction, rankClass: RankClass) => boolean,
  change: (instruction: never) => readonly Instruction[],
  { rank = null }: { readonly rank?: number | null } = {},
): Fault {
  return {
    edit(program) {
      const editClass = (rankClass: RankClass): RankClass => ({
        ...rankClass,
        templates: rankClass.templates.map((template) => ({
          ...template,
          body: (template.body as readonly Instruction[]).flatMap((instruction) => {
            return wanted(instruction, rankClass) ? change(instruction as never) : [instruction];
          }),
        })),
      });
      const { classes, groups, ...rest } = unfold(program);
      const changed = classes.flatMap((rankClass) => {
        if (rank === null) return [editClass(rankClass)];
        const isMeant = (at: RankClass['members'][number]) =>
          groups[rankClass.group].firstRank + rankAt(groups[rankClass.group].mesh, at) === rank;
        const [own, others] = [true, false].map((meant) => rankClass.members.filter((at) => isMeant(at) === meant));
        return [
          ...(others.length > 0 ? [{ ...rankClass, members: others }] : []),
          ...(own.length > 0 ? [{ ...editClass(rankClass), members: own }] : []),
        ];
      });
      return { ...rest, classes: changed, groups };
    },
  };
}

/** A collective that moves nothing: each rank keeps what it has. */
export const unmoved = ({ move, global, input, output, source, lane }: InstructionOf<'collective'>) => [
  { kind: 'pack' as const, move, global, input, output, source, lane },
];
