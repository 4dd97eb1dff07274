/**
 * Rule 3: placements, inferred forward. What a kernel's rule and assignment give is what its results must be, and what they need is what
 * its operands must be, value by value from the contract on; nothing nonlinear reads a partial value; moves start from their operand's
 * layout, end in their result's and are legal between the two.
 *
 * A class's text is the same for every microbatch, so each instruction is looked at once.
 */
import type { DiagnosticError, Place } from '../ir/diagnostic.js';
import {
  canonicalLayout,
  layoutFault,
  localType,
  printLayout,
  sameLayout,
  splitsEvenly,
  type Layout,
} from '../ir/layout.js';
import type { Mesh } from '../ir/mesh.js';
import { opNamed, type OpRegistry } from '../ir/op.js';
import { opFaults, opFaultText } from '../ir/op_fault.js';
import type { Assignment, OpRule } from '../ir/rule.js';
import { elementsOf, printFactors, sameFactors } from '../ir/type.js';
import { fills, lowerMove, unlikeRanks, type LoweredMove } from '../reshard/lower.js';
import { moveFault } from '../reshard/move_fault.js';
import { isLocal, printMove, type Move } from '../reshard/moves.js';
import { edgeText, messagesOfAll, type MessagesOfAll } from '../program/edges.js';
import { baseOf, placeOf } from '../program/place.js';
import { titleOf } from '../program/kinds.js';
import type {
  CollectiveInstruction,
  FillInstruction,
  KernelInstruction,
  MoveInstruction,
  Program,
  ProgramValue,
  GroupEdge,
  TileInstruction,
  TransferInstruction,
  ValueIndex,
} from '../program/program.js';
import { describeRanks, placesOf, type CompiledClass, type CompiledInstruction } from './compiled_class.js';
import * as diagnose from './diagnostics.js';

export function checkPlacements(compiled: CompiledClass, registry: OpRegistry): readonly DiagnosticError[] {
  return new Placements(compiled, registry).run();
}

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

class Placements {
  private readonly compiled: CompiledClass;
  private readonly registry: OpRegistry;
  private readonly values: readonly ProgramValue[];
  private readonly mesh: Mesh;
  private readonly faults: DiagnosticError[] = [];
  private readonly shapes = new Map<string, MoveShape>();
  /** Staging buffers → what lies in them: the move and its side. */
  private readonly staged = new Map<ValueIndex, string>();
  private readonly messages: MessagesOfAll;
  private readonly groups: Program['groups'];

  constructor(compiled: CompiledClass, registry: OpRegistry) {
    this.compiled = compiled;
    this.registry = registry;
    this.values = compiled.rankClass.values;
    this.mesh = compiled.mesh;
    this.groups = compiled.groups;
    this.messages = messagesOfAll(compiled.groups, compiled.rankClass.members);
  }

  run(): readonly DiagnosticError[] {
    this.values.forEach((value, index) => this.checkValue(value, index));
    for (const body of this.compiled.templates.values()) {
      for (const at of body) {
        const { instruction } = at;
        if (instruction.kind === 'kernel') this.checkKernel(at, instruction);
        else if (instruction.kind === 'pack' || instruction.kind === 'unpack') this.checkMove(at, instruction);
        else if (instruction.kind === 'fill') this.checkFill(at, instruction);
        else if (instruction.kind === 'collective') this.checkCollective(at, instruction);
        else if (instruction.kind === 'pack_tile' || instruction.kind === 'unpack_tile')
          this.checkTile(at, instruction);
        else if (instruction.kind === 'send' || instruction.kind === 'receive') this.checkTransfer(at, instruction);
      }
    }
    return this.faults;
  }

  /** A value's block has the sizes that its layout gives it on every rank; a view shows what its op says. */
  private checkValue({ name, type, global, layout, view }: ProgramValue, index: ValueIndex): void {
    const where: readonly Place[] = [{ at: `value '${name}'`, note: describeRanks(this.compiled) }];
    const malformed = (what: string) => this.faults.push(diagnose.malformed({ what, where }));
    const fault = layoutFault(this.mesh, global, layout);
    if (fault) return void malformed(`the layout of '${name}' is illegal: ${fault}`);
    if (!sameLayout(layout, canonicalLayout(this.mesh, global, layout)))
      malformed(`the layout of '${name}' is not canonical`);
    const members = splitsEvenly(this.mesh, global, layout)
      ? this.compiled.rankClass.members.slice(0, 1)
      : this.compiled.rankClass.members;
    if (members.some((at) => !sameFactors(localType(this.mesh, global, layout, at), type))) {
      malformed(`'${name}' is ${printFactors(type)} here, which is no block of ${printFactors(global)}`);
    }
    if (view?.made) this.checkView(index, where);
    if (this.values[index].parts) this.checkParts(index, where);
  }

  /** A bucket's parts lie as it does: split over the same axes, partial over the same. */
  private checkParts(index: ValueIndex, where: readonly Place[]): void {
    const { name, layout, parts } = this.values[index];
    const axesOf = ({ splits }: Layout) => [...new Set(Object.values(splits).flatMap((split) => split.axes))].sort();
    for (const part of parts!) {
      const other = this.values[part];
      const alike =
        String(axesOf(other.layout)) === String(axesOf(layout)) &&
        printLayout({ ...other.layout, splits: {} }) === printLayout({ ...layout, splits: {} });
      if (alike) continue;
      const has = `'${other.name}' is ${printLayout(other.layout)} in '${name}', which is ${printLayout(layout)}`;
      this.faults.push(diagnose.malformed({ what: has, where }));
    }
  }

  private checkView(index: ValueIndex, where: readonly Place[]): void {
    const { name, view } = this.values[index];
    const { op, rule, assignment, attributes, inputs, outputs } = view!.made!;
    const strides = inputs.map((input) => placeOf(this.values, input).strides);
    const shown = opNamed(this.registry, op).view?.(rule, attributes, strides)?.[outputs.indexOf(index)];
    const viewed = shown && this.values[inputs[shown.operand]];
    const of = viewed && baseOf(this.values, inputs[shown.operand]);
    const offset = viewed && (viewed.view?.offset ?? 0) + shown.offset;
    if (!shown || of !== view!.of || offset !== view!.offset || String(shown.strides) !== String(view!.strides)) {
      this.faults.push(diagnose.malformed({ what: `'${name}' does not show what ${op} makes of its operand`, where }));
    }
    this.checkOp(op, rule, assignment, inputs, outputs, where);
  }

  private checkKernel(at: CompiledInstruction, { op, rule, assignment, inputs, outputs }: KernelInstruction): void {
    const values = (operands: KernelInstruction['inputs']) => operands.map((operand) => operand.value);
    this.checkOp(op, rule, assignment, values(inputs), values(outputs), placesOf(this.compiled, at));
  }

  private checkOp(
    op: string,
    rule: OpRule,
    assignment: Assignment,
    inputs: readonly ValueIndex[],
    outputs: readonly ValueIndex[],
    where: readonly Place[],
  ): void {
    const laid = (indexes: readonly ValueIndex[]) =>
      indexes.map((index) => ({ type: this.values[index].global, layout: this.values[index].layout }));
    for (const fault of opFaults(this.mesh, rule, assignment, laid(inputs), laid(outputs))) {
      if (fault.kind === 'partial') {
        const { operand, axis, reduction } = fault;
        const value = this.values[inputs[operand]].name;
        this.faults.push(diagnose.partialNonlinear({ op, value, reduction, axis, where }));
      } else if (fault.kind === 'layout') {
        const { name, layout } = this.values[(fault.side === 'operand' ? inputs : outputs)[fault.index]];
        this.faults.push(diagnose.wrongLayout({ op, value: name, has: layout, needs: fault.needs, where }));
      } else this.faults.push(diagnose.wrongAssignment({ op, what: opFaultText(fault), where }));
    }
  }

  private expectLayout(op: string, value: ProgramValue, layout: Layout, where: readonly Place[]): void {
    const needs = canonicalLayout(this.mesh, value.global, layout);
    if (sameLayout(value.layout, needs)) return;
    this.faults.push(diagnose.wrongLayout({ op, value: value.name, has: value.layout, needs, where }));
  }

  /** A pack before a collective, an unpack after one, or a local move from block to block. */
  private checkMove(at: CompiledInstruction, instruction: MoveInstruction): void {
    const { kind, move, input, output } = instruction;
    const shape = this.shapeOf(at, instruction);
    if (!shape) return;
    const where = placesOf(this.compiled, at);
    const local = isLocal(move);
    if (kind === 'pack' ? !shape.packs : !local && !shape.unpacks) {
      this.faults.push(diagnose.wrongMove({ move: printMove(move), what: `has nothing to ${kind}`, where }));
    }
    if (kind === 'pack' || local) this.expectBlock(at, instruction, input.value, move.from);
    else this.expectStaged(at, instruction, input.value, 'received', shape.received, 'read');
    if (kind === 'pack') this.expectStaged(at, instruction, output.value, 'packed', shape.sent, 'write');
    else this.expectBlock(at, instruction, output.value, move.to);
  }

  private checkFill(at: CompiledInstruction, instruction: FillInstruction): void {
    const { move, output } = instruction;
    if (!this.shapeOf(at, instruction)) return;
    // Whose own ranks need no fill may have the text of a class whose ranks do: what is filled is written over.
    const others = [Object.fromEntries(move.axes.map((axis) => [axis, 1]))];
    if (!fills(move, others)) {
      const where = placesOf(this.compiled, at);
      this.faults.push(diagnose.wrongMove({ move: printMove(move), what: 'has nothing to fill', where }));
    }
    this.expectBlock(at, instruction, output.value, move.to);
  }

  private checkCollective(at: CompiledInstruction, instruction: CollectiveInstruction): void {
    const { move, axes, reduction, input, output } = instruction;
    const shape = this.shapeOf(at, instruction);
    if (!shape) return;
    const where = placesOf(this.compiled, at);
    const wrong = (what: string) => this.faults.push(diagnose.wrongMove({ move: printMove(move), what, where }));
    if (isLocal(move)) wrong('it has no collective');
    if (String(axes) !== String(move.axes)) wrong(`its group is along [${axes.join(', ')}]`);
    if (reduction !== (move.reduction ?? null)) wrong(`the collective reduces by ${reduction ?? 'nothing'}`);
    if (shape.packs) this.expectStaged(at, instruction, input.value, 'packed', shape.sent, 'read');
    else this.expectBlock(at, instruction, input.value, move.from);
    if (shape.unpacks) this.expectStaged(at, instruction, output.value, 'received', shape.received, 'write');
    else this.expectBlock(at, instruction, output.value, move.to);
  }

  /** A tile of a block: both groups derive the same tiles from the layouts at the two ends of the edge. */
  private checkTile(at: CompiledInstruction, instruction: TileInstruction): void {
    const { kind, edge, message, input, output } = instruction;
    const where = placesOf(this.compiled, at);
    const packs = kind === 'pack_tile';
    const [block, buffer] = packs ? [input.value, output.value] : [output.value, input.value];
    if (!this.isOfEdge(edge, packs, titleOf(instruction), where)) return;
    const value = this.values[block];
    if (!sameFactors(value.global, edge.global)) {
      const what = `'${value.name}' is ${printFactors(value.global)}, not ${printFactors(edge.global)}`;
      this.faults.push(diagnose.wrongTile({ tag: titleOf(instruction), what, where }));
    } else this.expectLayout(kind, value, packs ? edge.from : edge.to, where);
    this.expectTile(edge, message, packs, buffer, titleOf(instruction), where);
  }

  private checkTransfer(at: CompiledInstruction, instruction: TransferInstruction): void {
    const { kind, edge, message, peers, operand } = instruction;
    const tag = titleOf(instruction);
    const where = placesOf(this.compiled, at);
    const sends = kind === 'send';
    if (!this.isOfEdge(edge, sends, tag, where)) return;
    this.expectTile(edge, message, sends, operand.value, tag, where);
    const { firstRank } = this.groups[sends ? edge.toGroup : edge.fromGroup];
    const expected = this.messages(edge, sends ? 'outgoing' : 'incoming').map((list) => {
      const found = list[message];
      return found ? firstRank + (sends ? found.toRank : found.fromRank) : null;
    });
    if (String(expected) !== String(peers)) {
      this.faults.push(
        diagnose.wrongTile({ tag, what: `its peers are ${peers.join(', ')}, not ${expected.join(', ')}`, where }),
      );
    }
  }

  private isOfEdge(edge: GroupEdge, outgoing: boolean, tag: string, where: readonly Place[]): boolean {
    const { fromGroup, toGroup, from, to, global } = edge;
    const wrong = (what: string) => this.faults.push(diagnose.wrongTile({ tag, what, where }));
    const [source, destination] = [this.groups[fromGroup], this.groups[toGroup]];
    if (!source || !destination || (outgoing ? fromGroup : toGroup) !== this.compiled.rankClass.group) {
      wrong(`it goes from group ${fromGroup} to group ${toGroup}`);
    } else if (layoutFault(source.mesh, global, from) ?? layoutFault(destination.mesh, global, to)) {
      wrong('a layout of its ends is illegal');
    } else if (Object.keys(from.partial).length + Object.keys(to.partial).length > 0) {
      wrong('a partial value does not travel between groups');
    } else return true;
    return false;
  }

  /** A contiguous buffer of one message, as large as the largest of the class. */
  private expectTile(
    edge: GroupEdge,
    message: number,
    outgoing: boolean,
    index: ValueIndex,
    tag: string,
    where: readonly Place[],
  ): void {
    const { name, type, view } = this.values[index];
    const counts = this.messages(edge, outgoing ? 'outgoing' : 'incoming').flatMap((list) =>
      list[message] ? [list[message].elements] : [],
    );
    const wrong = (what: string) => this.faults.push(diagnose.wrongTile({ tag, what, where }));
    if (type.dtype !== edge.global.dtype || view || counts.some((count) => count !== elementsOf(type))) {
      wrong(
        `'${name}' is ${printFactors(type)}, which is no buffer of ${counts.join(' or ')} elements of ${edge.global.dtype}`,
      );
    }
    const holds = `message ${message} ${edgeText(edge)}`;
    const known = this.staged.get(index);
    if (known === undefined) this.staged.set(index, holds);
    else if (known !== holds) wrong(`'${name}' belongs to another message: ${known}`);
  }

  private expectBlock(
    at: CompiledInstruction,
    { move, global }: Pick<MoveInstruction, 'move' | 'global'>,
    index: ValueIndex,
    layout: Layout,
  ): void {
    const value = this.values[index];
    const where = placesOf(this.compiled, at);
    // A result may have other names for its factors' dimensions, but not other factors.
    if (!sameFactors(value.global, global)) {
      const what = `'${value.name}' is ${printFactors(value.global)}, not ${printFactors(global)}`;
      this.faults.push(diagnose.wrongMove({ move: printMove(move), what, where }));
    } else this.expectLayout(move.kind, value, layout, where);
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
    const { name, type, view } = this.values[index];
    const where = placesOf(this.compiled, at);
    const wrong = (what: string) => this.faults.push(diagnose.wrongMove({ move: printMove(move), what, where }));
    if (type.dtype !== global.dtype || counts.some((count) => count !== elementsOf(type)) || view?.made) {
      wrong(
        `'${name}' is ${printFactors(type)}, which is no buffer of ${counts.join(' or ')} elements of ${global.dtype}`,
      );
    }
    const holds = `${side} ${printMove(move)} ${printFactors(global)}`;
    const known = this.staged.get(index);
    if (known === undefined) this.staged.set(index, holds);
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
    this.faults.push(
      diagnose.wrongMove({ move: printMove(move), what: shape.fault, where: placesOf(this.compiled, at) }),
    );
    return null;
  }

  private lowered(move: Move, global: MoveInstruction['global']): MoveShape {
    const fault = moveFault(this.mesh, global, move);
    if (fault) return { packs: false, unpacks: false, sent: [], received: [], fault };
    const { members } = this.compiled.rankClass;
    const all = unlikeRanks(this.mesh, global, move, members).map((at) => lowerMove(this.mesh, global, move, at));
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
