/**
 * Placements, inferred forward. What a kernel's rule and assignment give is what its results must be, and what they need is what
 * its operands must be, value by value from the contract on; nothing nonlinear reads a partial value; moves start from their operand's
 * layout, end in their result's and are legal between the two.
 *
 * A class's text is the same for every microbatch, so each instruction is looked at once.
 */
import type { DiagnosticError } from '../ir/diagnostic.js';
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
import { printFactors, sameFactors } from '../ir/type.js';
import { baseOf, placeOf } from '../program/place.js';
import type { KernelInstruction, ProgramValue, ValueIndex } from '../program/program.js';
import {
  describeRanks,
  placesOf,
  type CompiledClass,
  type CompiledInstruction,
  type Places,
} from './compiled_class.js';
import * as diagnose from './diagnostics.js';
import { Laid } from './laid.js';
import { MessagePlacements } from './message_placements.js';
import { MovePlacements } from './move_placements.js';

export function checkPlacements(compiled: CompiledClass, registry: OpRegistry): readonly DiagnosticError[] {
  return new Placements(compiled, registry).run();
}

class Placements {
  private readonly compiled: CompiledClass;
  private readonly registry: OpRegistry;
  private readonly values: readonly ProgramValue[];
  private readonly mesh: Mesh;
  private readonly faults: DiagnosticError[];
  private readonly moves: MovePlacements;
  private readonly messages: MessagePlacements;

  constructor(compiled: CompiledClass, registry: OpRegistry) {
    const laid = new Laid(compiled);
    this.compiled = compiled;
    this.registry = registry;
    this.values = laid.values;
    this.mesh = compiled.mesh;
    this.faults = laid.faults;
    this.moves = new MovePlacements(laid);
    this.messages = new MessagePlacements(laid);
  }

  run(): readonly DiagnosticError[] {
    this.values.forEach((value, index) => this.checkValue(value, index));
    for (const body of this.compiled.templates.values()) {
      for (const at of body) {
        const { instruction } = at;
        if (instruction.kind === 'kernel') this.checkKernel(at, instruction);
        else if (instruction.kind === 'pack' || instruction.kind === 'unpack') this.moves.checkMove(at, instruction);
        else if (instruction.kind === 'fill') this.moves.checkFill(at, instruction);
        else if (instruction.kind === 'collective') this.moves.checkCollective(at, instruction);
        else if (instruction.kind === 'pack_tile' || instruction.kind === 'unpack_tile')
          this.messages.checkTile(at, instruction);
        else if (instruction.kind === 'send' || instruction.kind === 'receive')
          this.messages.checkTransfer(at, instruction);
      }
    }
    return this.faults;
  }

  /** A value's block has the sizes that its layout gives it on every rank; a view shows what its op says. */
  private checkValue({ name, type, global, layout, view }: ProgramValue, index: ValueIndex): void {
    const where = () => [{ at: `value '${name}'`, note: describeRanks(this.compiled) }];
    const malformed = (what: string) => this.faults.push(diagnose.malformed({ what, where: where() }));
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
  private checkParts(index: ValueIndex, where: Places): void {
    const { name, layout, parts } = this.values[index];
    const axesOf = ({ splits }: Layout) => [...new Set(Object.values(splits).flatMap((split) => split.axes))].sort();
    for (const part of parts!) {
      const other = this.values[part];
      const alike =
        String(axesOf(other.layout)) === String(axesOf(layout)) &&
        printLayout({ ...other.layout, splits: {} }) === printLayout({ ...layout, splits: {} });
      if (alike) continue;
      const has = `'${other.name}' is ${printLayout(other.layout)} in '${name}', which is ${printLayout(layout)}`;
      this.faults.push(diagnose.malformed({ what: has, where: where() }));
    }
  }

  private checkView(index: ValueIndex, where: Places): void {
    const { name, view } = this.values[index];
    const { op, rule, assignment, attributes, inputs, outputs } = view!.made!;
    const strides = inputs.map((input) => placeOf(this.values, input).strides);
    const shown = opNamed(this.registry, op).view?.(rule, attributes, strides)?.[outputs.indexOf(index)];
    const viewed = shown && this.values[inputs[shown.operand]];
    const of = viewed && baseOf(this.values, inputs[shown.operand]);
    const offset = viewed && (viewed.view?.offset ?? 0) + shown.offset;
    if (!shown || of !== view!.of || offset !== view!.offset || String(shown.strides) !== String(view!.strides)) {
      this.faults.push(
        diagnose.malformed({ what: `'${name}' does not show what ${op} makes of its operand`, where: where() }),
      );
    }
    this.checkOp(op, rule, assignment, inputs, outputs, where);
  }

  private checkKernel(at: CompiledInstruction, { op, rule, assignment, inputs, outputs }: KernelInstruction): void {
    const values = (operands: KernelInstruction['inputs']) => operands.map((operand) => operand.value);
    this.checkOp(op, rule, assignment, values(inputs), values(outputs), () => placesOf(this.compiled, at));
  }

  private checkOp(
    op: string,
    rule: OpRule,
    assignment: Assignment,
    inputs: readonly ValueIndex[],
    outputs: readonly ValueIndex[],
    where: Places,
  ): void {
    const laid = (indexes: readonly ValueIndex[]) =>
      indexes.map((index) => ({ type: this.values[index].global, layout: this.values[index].layout }));
    for (const fault of opFaults(this.mesh, rule, assignment, laid(inputs), laid(outputs))) {
      if (fault.kind === 'partial') {
        const { operand, axis, reduction } = fault;
        const value = this.values[inputs[operand]].name;
        this.faults.push(diagnose.partialNonlinear({ op, value, reduction, axis, where: where() }));
      } else if (fault.kind === 'layout') {
        const { name, layout } = this.values[(fault.side === 'operand' ? inputs : outputs)[fault.index]];
        this.faults.push(diagnose.wrongLayout({ op, value: name, has: layout, needs: fault.needs, where: where() }));
      } else this.faults.push(diagnose.wrongAssignment({ op, what: opFaultText(fault), where: where() }));
    }
  }
}
