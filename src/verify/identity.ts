/**
 * A class computes what its placed graphs do. The meaning of every value follows, instruction by instruction, from what the class
 * takes; each must be one that the graphs have, and what the class keeps, sends and gives must be what they say (`expected.ts`).
 *
 * A template's text is the same for every microbatch, so each is walked once; that a read meets its own microbatch's instance, and that
 * a sum has every contribution once, is said by the rule of reads and writes. What follows from data has an instance a microbatch.
 */
import type { DiagnosticError, Place } from '../ir/diagnostic.js';
import { printLayout, sameLayout } from '../ir/layout.js';
import type { Meaning } from '../ir/meaning.js';
import { sameRole } from '../ir/role.js';
import { elementsOf, printFactors, sameFactors } from '../ir/type.js';
import { describedKind, operandsOf, printTag, titleOf } from '../program/kinds.js';
import type { ContractEntry, ProgramValue, ValueIndex } from '../program/program.js';
import { baseOf } from '../program/place.js';
import { isPerMicrobatch } from '../program/unroll.js';
import { describeRanks, placesOf, type CompiledClass, type CompiledInstruction } from './compiled_class.js';
import * as diagnose from './diagnostics.js';
import { contentsText, type Boundary, type Expected, type Stated } from './expected.js';

export function checkIdentity(compiled: CompiledClass, expected: Expected): readonly DiagnosticError[] {
  return new Identity(compiled, expected).run();
}

class Identity {
  private readonly compiled: CompiledClass;
  private readonly expected: Expected;
  private readonly boundary: Boundary;
  private readonly values: readonly ProgramValue[];
  private readonly meanings: (Meaning | undefined)[] = [];
  private readonly faults: DiagnosticError[] = [];

  constructor(compiled: CompiledClass, expected: Expected) {
    this.compiled = compiled;
    this.expected = expected;
    this.boundary = expected.boundary(compiled.rankClass.group);
    this.values = compiled.rankClass.values;
  }

  run(): readonly DiagnosticError[] {
    this.checkTaken();
    if (this.faults.length > 0) return this.faults;
    const { schedule } = this.compiled.rankClass;
    for (const name of new Set(schedule.map(({ template }) => template)))
      for (const at of this.compiled.templates.get(name)!) this.walk(at);
    this.checkGiven();
    return this.faults;
  }

  /** What is there before the step: state, and what the host writes. */
  private checkTaken(): void {
    const { before, inputs } = this.compiled.rankClass;
    const { state, scalars, data, buckets } = this.boundary;
    const moved = before.values.find(({ at, holds }) => at !== holds);
    if (moved) this.differs(`'${this.nameOf(moved.at)}' holds '${this.nameOf(moved.holds)}' before the step`);
    const indexes = this.values.map((_, index) => index);
    const written = indexes.filter((i) => this.values[i].lifetime === 'data' && !this.values[i].view);
    this.take(
      'state',
      state,
      before.values.map(({ at }) => at),
    );
    this.take('scalar', scalars, inputs);
    this.take('data', data, written);
    for (const { name, tensors, lifetime } of this.values) {
      if (lifetime !== 'persistent') continue;
      const holds = contentsText(buckets.get(name) ?? state.get(name)?.tensors ?? null);
      if (contentsText(tensors) !== holds)
        this.differs(`'${name}' is said to hold [${contentsText(tensors)}], not [${holds}]`);
    }
  }

  /** The class takes these values, each once and no others, as they lie outside. */
  private take(what: string, stated: ReadonlyMap<string, Stated>, indexes: readonly ValueIndex[]): void {
    const left = new Map(stated);
    for (const index of indexes) {
      const { name, is } = this.values[index];
      const one = left.get(name);
      left.delete(name);
      if (!one) this.differs(`the graphs have no ${what} '${name}'${stated.has(name) ? ' twice' : ''}`);
      else if (is.kind !== 'stored' || !sameRole(is.role, one.role))
        this.differs(`'${name}' is not the ${what} '${name}'`);
      else {
        this.expectPlaced(index, one);
        this.meanings[index] = one.meaning;
      }
    }
    for (const name of left.keys()) this.differs(`it lacks the ${what} '${name}'`);
  }

  private walk(at: CompiledInstruction): void {
    const { instruction } = at;
    switch (instruction.kind) {
      case 'kernel': {
        const operands = instruction.inputs.map(({ value }) => this.read(value, at));
        instruction.outputs.forEach(({ value }, k) => {
          const known = operands.every((operand) => operand !== undefined);
          const meaning = known ? this.expected.meanings.result(instruction, operands, k) : undefined;
          this.write(value, this.wanted(meaning, value, at), at);
        });
        break;
      }
      case 'send': {
        const sent = this.read(instruction.operand.value, at);
        const stated = this.expected.message(instruction.tag);
        if (sent !== undefined && sent !== stated)
          this.stray(at, `sends another value than ${printTag(instruction.tag)}`);
        break;
      }
      case 'receive': {
        const brought = this.expected.message(instruction.tag);
        if (brought === undefined) this.stray(at, `receives ${printTag(instruction.tag)}, which does not travel`);
        this.write(instruction.operand.value, brought, at);
        break;
      }
      default: {
        if (!describedKind(instruction).moves) break;
        const [input, output] = operandsOf(instruction);
        this.write(output.value, this.read(input.value, at), at);
      }
    }
  }

  /** What a value means that an instruction reads; undefined where a fault before this one leaves it open. */
  private read(index: ValueIndex, at: CompiledInstruction): Meaning | undefined {
    const meaning = this.meaningOf(index, at);
    if (meaning === undefined && this.faults.length === 0)
      this.stray(at, `reads '${this.nameOf(index)}', which nothing has made`);
    return meaning;
  }

  private meaningOf(index: ValueIndex, at: CompiledInstruction): Meaning | undefined {
    const known = this.meanings[index];
    if (known !== undefined) return known;
    const { type, view, parts, is } = this.values[index];
    const of = view?.made?.inputs ?? parts ?? [];
    const operands = of.map((operand) => this.meaningOf(operand, at));
    if (operands.length === 0) {
      // Nobody sends a block without elements. It is what it says: there is nothing in it that could be another value's.
      return elementsOf(type) === 0 && is.kind === 'made' ? this.expected.message(is) : undefined;
    }
    if (!operands.every((operand) => operand !== undefined)) return undefined;
    if (!view?.made) return this.expected.meanings.bucket(operands);
    const made = this.expected.meanings.result(view.made, operands, view.made.outputs.indexOf(index));
    const meaning = this.wanted(made, index, at);
    if (meaning !== undefined) this.meanings[index] = meaning;
    return meaning;
  }

  /** Undefined, with a fault, where the graphs have no such value. */
  private wanted(meaning: Meaning | undefined, index: ValueIndex, at: CompiledInstruction): Meaning | undefined {
    if (meaning === undefined) return undefined;
    const { name, global } = this.values[index];
    const known = this.expected.knows(meaning, global);
    if (known === 'yes') return meaning;
    this.stray(
      at,
      known === 'no'
        ? `makes '${name}' of its operands, and the graphs have no such value`
        : `makes '${name}' as ${printFactors(global)}, and the graphs have it ${known}`,
    );
    return undefined;
  }

  /** Notes what a value is from here on. Whoever writes it, every time, must write the same. */
  private write(index: ValueIndex, meaning: Meaning | undefined, at: CompiledInstruction): void {
    if (meaning === undefined) return;
    const { name, lifetime, parts } = this.values[index];
    const base = baseOf(this.values, index);
    if (this.expected.varies(meaning) && this.values[base].lifetime !== 'sum' && !isPerMicrobatch(this.values, base))
      return void this.stray(at, `makes '${name}' once a step, and each microbatch has its own`);
    const made = lifetime === 'sum' ? this.expected.meanings.sum(meaning) : meaning;
    const known = this.meanings[index];
    if (known !== undefined && known !== made) return void this.stray(at, `makes '${name}' another value than before`);
    this.meanings[index] = made;
    parts?.forEach((part, k) => (this.meanings[part] = this.expected.meanings.part(made, k)));
  }

  /** What is there after the step: state, and results. */
  private checkGiven(): void {
    if (this.faults.length > 0) return;
    const { after, results } = this.compiled.rankClass;
    const { state, results: stated } = this.boundary;
    const entries = new Map(after.values.map((entry) => [this.nameOf(entry.at), entry]));
    for (const [name, one] of state) this.expectAfter(name, { ...one, meaning: one.after }, entries.get(name));
    for (const name of entries.keys()) if (!state.has(name)) this.differs(`the graphs have no state '${name}'`);
    for (const [name, one] of stated) {
      const index = results[name];
      if (index === undefined) this.differs(`it lacks the result '${name}'`);
      else this.expectGiven(`the result '${name}'`, index, one);
    }
    for (const name of Object.keys(results)) if (!stated.has(name)) this.differs(`the graphs have no result '${name}'`);
  }

  private expectAfter(name: string, stated: Stated, entry: ContractEntry | undefined): void {
    if (!entry) this.differs(`it does not say what '${name}' is after the step`);
    else this.expectGiven(`'${name}' after the step`, entry.holds, stated);
  }

  private expectGiven(what: string, index: ValueIndex, stated: Stated): void {
    this.expectPlaced(index, stated);
    // Nobody sends or makes a block without elements: there is nothing in it that could be another value's.
    if (elementsOf(this.values[index].type) === 0) return;
    if (this.meanings[index] !== stated.meaning) this.differs(`${what} is another value than the graphs give`);
  }

  private expectPlaced(index: ValueIndex, { type, layout }: Stated): void {
    const { name, global, layout: has } = this.values[index];
    if (sameFactors(global, type) && sameLayout(has, layout)) return;
    const text = `${printFactors(global)} ${printLayout(has)}, not ${printFactors(type)} ${printLayout(layout)}`;
    this.differs(`'${name}' is ${text}`);
  }

  private stray(at: CompiledInstruction, what: string): void {
    this.faults.push(
      diagnose.dataflowDiffers({ instruction: titleOf(at.instruction), what, where: placesOf(this.compiled, at) }),
    );
  }

  private differs(what: string): void {
    const where: readonly Place[] = [{ at: this.compiled.rankClass.name, note: describeRanks(this.compiled) }];
    this.faults.push(diagnose.boundaryDiffers({ what, where }));
  }

  private nameOf(index: ValueIndex): string {
    return this.values[index].name;
  }
}
