/**
 * Placements of moves: a collective with the copies before and after it begins in its operand's layout, ends in its result's and is legal
 * between the two.
 */
import type { Layout } from '../ir/layout.js';
import { elementsOf, printFactors, sameFactors } from '../ir/type.js';
import type { CollectiveInstruction, FillInstruction, MoveInstruction, ValueIndex } from '../program/program.js';
import { fills, lowerMove, unlikeRanks, type LoweredMove } from '../reshard/lower.js';
import { moveFault } from '../reshard/move_fault.js';
import { isLocal, printMove, type Move } from '../reshard/moves.js';
import { placesOf, type CompiledInstruction } from './compiled_class.js';
import * as diagnose from './diagnostics.js';
import type { Laid } from './laid.js';

/** What all ranks of a class do for one move. */
interface MoveShape {
  readonly packs: boolean;
  readonly unpacks: boolean;
  /** Elements that a rank gives to its collective and gets from it, one a member. */
  readonly sent: readonly number[];
  readonly received: readonly number[];
  /** What is wrong with the move itself; null: nothing. */
  readonly fault: string | null;
}

export class MovePlacements {
  private readonly laid: Laid;
  private readonly shapes = new Map<string, MoveShape>();

  constructor(laid: Laid) {
    this.laid = laid;
  }

  /** A pack before a collective, an unpack after one, or a local move from block to block. */
  checkMove(at: CompiledInstruction, instruction: MoveInstruction): void {
    const { kind, move, input, output } = instruction;
    const shape = this.shapeOf(at, instruction);
    if (!shape) return;
    const where = () => placesOf(this.laid.compiled, at);
    const local = isLocal(move);
    if (kind === 'pack' ? !shape.packs : !local && !shape.unpacks) {
      this.laid.faults.push(
        diagnose.wrongMove({ move: printMove(move), what: `has nothing to ${kind}`, where: where() }),
      );
    }
    if (kind === 'pack' || local) this.expectBlock(at, instruction, input.value, move.from);
    else this.expectStaged(at, instruction, input.value, 'received', shape.received, 'read');
    if (kind === 'pack') this.expectStaged(at, instruction, output.value, 'packed', shape.sent, 'write');
    else this.expectBlock(at, instruction, output.value, move.to);
  }

  checkFill(at: CompiledInstruction, instruction: FillInstruction): void {
    const { move, output } = instruction;
    if (!this.shapeOf(at, instruction)) return;
    // Whose own ranks need no fill may have the text of a class whose ranks do: what is filled is written over.
    const others = [Object.fromEntries(move.axes.map((axis) => [axis, 1]))];
    if (!fills(move, others)) {
      const where = () => placesOf(this.laid.compiled, at);
      this.laid.faults.push(diagnose.wrongMove({ move: printMove(move), what: 'has nothing to fill', where: where() }));
    }
    this.expectBlock(at, instruction, output.value, move.to);
  }

  checkCollective(at: CompiledInstruction, instruction: CollectiveInstruction): void {
    const { move, axes, reduction, input, output } = instruction;
    const shape = this.shapeOf(at, instruction);
    if (!shape) return;
    const where = () => placesOf(this.laid.compiled, at);
    const wrong = (what: string) =>
      this.laid.faults.push(diagnose.wrongMove({ move: printMove(move), what, where: where() }));
    if (isLocal(move)) wrong('it has no collective');
    if (String(axes) !== String(move.axes)) wrong(`its group is along [${axes.join(', ')}]`);
    if (reduction !== (move.reduction ?? null)) wrong(`the collective reduces by ${reduction ?? 'nothing'}`);
    if (shape.packs) this.expectStaged(at, instruction, input.value, 'packed', shape.sent, 'read');
    else this.expectBlock(at, instruction, input.value, move.from);
    if (shape.unpacks) this.expectStaged(at, instruction, output.value, 'received', shape.received, 'write');
    else this.expectBlock(at, instruction, output.value, move.to);
  }

  private expectBlock(
    at: CompiledInstruction,
    { move, global }: Pick<MoveInstruction, 'move' | 'global'>,
    index: ValueIndex,
    layout: Layout,
  ): void {
    const value = this.laid.values[index];
    const where = () => placesOf(this.laid.compiled, at);
    // A result may have other names for its factors' dimensions, but not other factors.
    if (!sameFactors(value.global, global)) {
      const what = `'${value.name}' is ${printFactors(value.global)}, not ${printFactors(global)}`;
      this.laid.faults.push(diagnose.wrongMove({ move: printMove(move), what, where: where() }));
    } else this.laid.expect(move.kind, value, layout, where);
  }

  /** A contiguous buffer of a collective: as many elements as every rank gives or gets, and what the move put there. */
  private expectStaged(
    at: CompiledInstruction,
    { move, global }: Pick<MoveInstruction, 'move' | 'global'>,
    index: ValueIndex,
    side: 'packed' | 'received',
    counts: readonly number[],
    access: 'read' | 'write',
  ): void {
    const { name, type, view } = this.laid.values[index];
    const where = () => placesOf(this.laid.compiled, at);
    const wrong = (what: string) =>
      this.laid.faults.push(diagnose.wrongMove({ move: printMove(move), what, where: where() }));
    if (type.dtype !== global.dtype || counts.some((count) => count !== elementsOf(type)) || view?.made) {
      wrong(
        `'${name}' is ${printFactors(type)}, which is no buffer of ${counts.join(' or ')} elements of ${global.dtype}`,
      );
    }
    const holds = `${side} ${printMove(move)} ${printFactors(global)}`;
    const known = this.laid.staged.get(index);
    if (known === undefined) this.laid.staged.set(index, holds);
    else if (known !== holds) wrong(`'${name}' is ${access === 'read' ? 'filled' : 'used'} by another move: ${known}`);
  }

  private shapeOf(
    at: CompiledInstruction,
    { move, global }: Pick<MoveInstruction, 'move' | 'global'>,
  ): MoveShape | null {
    const key = `${printMove(move)} ${printFactors(global)}`;
    let shape = this.shapes.get(key);
    if (!shape) {
      shape = this.lowered(move, global);
      this.shapes.set(key, shape);
    }
    if (shape.fault === null) return shape;
    this.laid.faults.push(
      diagnose.wrongMove({ move: printMove(move), what: shape.fault, where: placesOf(this.laid.compiled, at) }),
    );
    return null;
  }

  private lowered(move: Move, global: MoveInstruction['global']): MoveShape {
    const fault = moveFault(this.laid.compiled.mesh, global, move);
    if (fault) return { packs: false, unpacks: false, sent: [], received: [], fault };
    const { members } = this.laid.compiled.rankClass;
    const all = unlikeRanks(this.laid.compiled.mesh, global, move, members).map((at) =>
      lowerMove(this.laid.compiled.mesh, global, move, at),
    );
    const total = (counts: readonly number[] | undefined) => (counts ?? []).reduce((a, b) => a + b, 0);
    const distinct = (of: (one: LoweredMove) => number) => [...new Set(all.map(of))];
    return {
      packs: all.some((one) => one.pack !== null),
      unpacks: all.some((one) => one.unpack !== null) && !isLocal(move),
      sent: distinct((one) => total(one.collective?.inputCounts)),
      received: distinct((one) => total(one.collective?.outputCounts)),
      fault,
    };
  }
}
