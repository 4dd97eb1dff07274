/**
 * One walk over a class's launches, in order.
 *
 *   every read is of bytes wholly written by one write of the value named, which has surely ended
 *   every write comes after all readers and writers of every byte it overwrites
 *   what holds before the step, and what the host wrote, is all there is at the start; the contract holds at the end
 *
 * "Surely" is local happens-before alone: lanes run in order, and a wait knows what the latest earlier signal knew. Ordering that comes
 * about only through another rank is not used.
 */
import type { DiagnosticError, Place } from '../ir/diagnostic.js';
import { sameFactors } from '../ir/type.js';
import type { ValueIndex } from '../program/program.js';
import { placeOf } from '../program/place.js';
import { isPerMicrobatch } from '../program/unroll.js';
import { ByteMap, type Content, type Parts, type Run } from './byte_map.js';
import {
  bytesAt,
  describe,
  describeRanks,
  eventAt,
  placesOf,
  type ByteAccess,
  type CompiledClass,
  type CompiledInstruction,
} from './compiled_class.js';
import * as diagnose from './diagnostics.js';
import { mayWriteInPlace } from './in_place.js';

export function checkReadsAndWrites(compiled: CompiledClass): readonly DiagnosticError[] {
  return new Walk(compiled).run();
}

class Walk {
  private readonly compiled: CompiledClass;
  private readonly memory: ByteMap;
  /** What each lane knows of every other: how many instructions have surely ended. */
  private readonly known: readonly Int32Array[];
  private readonly signalled: Int32Array[] = [];
  /** First launch of each step of the schedule. */
  private readonly firstLaunch: number[] = [];
  private readonly faults: DiagnosticError[] = [];
  /** Instructions already reported, once for all microbatches. */
  private readonly reported = new Set<CompiledInstruction>();
  private microbatch = 0;
  private launch = 0;
  private offsets: Readonly<Record<ValueIndex, number>> = {};

  constructor(compiled: CompiledClass) {
    this.compiled = compiled;
    this.memory = new ByteMap(compiled.lanes.length);
    this.known = compiled.lanes.map(() => new Int32Array(compiled.lanes.length));
  }

  run(): readonly DiagnosticError[] {
    this.begin();
    for (const { step, body } of this.compiled.steps) {
      this.firstLaunch.push(this.launch);
      this.microbatch = step.microbatch;
      this.offsets = step.offsets;
      for (const instruction of body) this.visit(instruction);
    }
    this.end();
    return this.faults;
  }

  /** What the contract and the host put there. */
  private begin(): void {
    const { rankClass, microbatches } = this.compiled;
    const put = (at: ValueIndex, holds: ValueIndex, microbatch: number): void => {
      const run = this.place(at, microbatch);
      if (run) this.memory.write(run.start, run.end, { value: holds, microbatch, parts: null }, -1, 0, -1);
    };
    for (const { at, holds } of rankClass.before.values) put(at, holds, -1);
    for (const input of rankClass.inputs) put(input, input, -1);
    rankClass.values.forEach(({ lifetime, view }, index) => {
      if (lifetime !== 'data' || view) return;
      for (let microbatch = 0; microbatch < microbatches; microbatch++) put(index, index, microbatch);
    });
  }

  private visit(at: CompiledInstruction): void {
    const clock = this.known[at.lane];
    if (at.instruction.kind === 'wait') {
      const signal = this.signalled[eventAt(at, this.microbatch)];
      if (signal) for (let lane = 0; lane < clock.length; lane++) clock[lane] = Math.max(clock[lane], signal[lane]);
    }
    const number = clock[at.lane] + 1;
    for (const access of at.accesses) if (access.access !== 'write') this.read(at, access, clock, number);
    for (const access of at.accesses) if (access.access !== 'read') this.write(at, access, clock, number);
    clock[at.lane] = number;
    if (at.instruction.kind === 'signal') {
      const event = eventAt(at, this.microbatch);
      const signal = this.signalled[event];
      if (signal) signal.set(clock);
      else this.signalled[event] = clock.slice();
    }
    this.launch++;
  }

  private read(at: CompiledInstruction, access: ByteAccess, clock: Int32Array, number: number): void {
    if (access.bytes === 0) return;
    const start = this.offsets[access.base] + access.offset;
    const run = this.memory.exactly(start, start + access.bytes);
    if (!run?.content) return this.fault(at, diagnose.undefinedRead, this.undefined(access, start));
    if (run.lane >= 0 && clock[run.lane] < run.number) {
      const lane = this.compiled.lanes[run.lane];
      const written = { at: this.describeLaunch(run.launch), note: 'written here' };
      return this.fault(at, diagnose.unorderedRead, { value: this.nameOf(access.value), lane }, [written]);
    }
    run.readers[at.lane] = number;
    run.readLaunches[at.lane] = this.launch;
    if (!this.isInstance(run.content, access)) {
      const holds = this.printContent(run.content);
      return this.fault(at, diagnose.staleRead, { value: this.nameOf(access.value), holds }, this.writer(run));
    }
    if (access.access === 'accumulate') this.contribute(at, access, run.content);
    else if (run.content.parts) this.requireAll(at, run.content, run.content.parts);
  }

  private write(at: CompiledInstruction, access: ByteAccess, clock: Int32Array, number: number): void {
    if (access.bytes === 0) return;
    const start = this.offsets[access.base] + access.offset;
    const end = start + access.bytes;
    for (const run of this.memory.overlapping(start, end)) this.mayOverwrite(at, access, run, clock);
    const before = this.memory.exactly(start, end)?.content ?? null;
    this.memory.write(start, end, this.contentAfter(at, access, before), at.lane, number, this.launch);
  }

  private mayOverwrite(at: CompiledInstruction, access: ByteAccess, run: Run, clock: Int32Array): void {
    const value = this.nameOf(access.value);
    if (run.launch === this.launch)
      return this.fault(at, diagnose.overlappingOperands, { value, other: this.overwritten(run) });
    const reads = run.readers[at.lane] > clock[at.lane];
    if (reads && access.access === 'write' && !mayWriteInPlace(this.compiled, this.offsets, at, access, run)) {
      return this.fault(at, diagnose.overlappingOperands, { value, other: this.overwritten(run) });
    }
    if (run.lane >= 0 && clock[run.lane] < run.number) {
      const places = [{ at: this.describeLaunch(run.launch), note: 'written here' }];
      const [over, lane] = [this.overwritten(run), this.compiled.lanes[run.lane]];
      return this.fault(at, diagnose.unorderedWrite, { value, over, by: 'written' as const, lane }, places);
    }
    for (let lane = 0; lane < clock.length; lane++) {
      if (lane === at.lane || run.readers[lane] <= clock[lane]) continue;
      const places = [{ at: this.describeLaunch(run.readLaunches[lane]), note: 'read here' }];
      const [over, name] = [this.overwritten(run), this.compiled.lanes[lane]];
      return this.fault(at, diagnose.unorderedWrite, { value, over, by: 'read' as const, lane: name }, places);
    }
  }

  /** This microbatch joins a sum. */
  private contribute(at: CompiledInstruction, access: ByteAccess, { parts }: Content): void {
    const { microbatch } = this;
    const value = this.nameOf(access.value);
    if (parts?.of !== 'microbatches') {
      return this.fault(at, diagnose.malformed, { what: `'${value}' is no sum, and is added to` });
    }
    if (parts.present[microbatch]) return this.fault(at, diagnose.countedTwice, { value, microbatch });
    parts.present[microbatch] = 1;
  }

  private requireAll(at: CompiledInstruction, { value }: Content, { of, present }: Parts): void {
    const there = members(present);
    if (there.length === present.length) return;
    this.fault(at, diagnose.incomplete, { value: this.nameOf(value), of, there, all: present.length });
  }

  /** What lies there after a write. */
  private contentAfter(at: CompiledInstruction, access: ByteAccess, before: Content | null): Content {
    const { source, base } = access;
    const { values } = this.compiled.rankClass;
    // What was added to stays the sum that it is.
    if (access.access === 'accumulate' && before) return before;
    const microbatch = isPerMicrobatch(values, base) ? this.microbatch : -1;
    if (at.piece) {
      const { of, index, count, first } = at.piece;
      const joins =
        !first && before?.parts?.of === of && this.isInstance(before, access) && !before.parts.present[index];
      const parts: Parts = joins ? before.parts! : { of, present: new Uint8Array(count) };
      parts.present[index] = 1;
      return { value: source, microbatch, parts };
    }
    if (values[source].lifetime !== 'sum') return { value: source, microbatch, parts: null };
    const present = new Uint8Array(this.compiled.microbatches);
    present[this.microbatch] = 1;
    return { value: source, microbatch: -1, parts: { of: 'microbatches', present } };
  }

  private isInstance(content: Content, { source, base }: ByteAccess): boolean {
    if (content.value !== source) return false;
    return !isPerMicrobatch(this.compiled.rankClass.values, base) || content.microbatch === this.microbatch;
  }

  /** The contract after the step, the host's scalars and the results. */
  private end(): void {
    const { rankClass } = this.compiled;
    const { values, before, after, inputs, results } = rankClass;
    const where: readonly Place[] = [{ at: 'end of the step', note: describeRanks(this.compiled) }];
    const expect = (at: ValueIndex, holds: ValueIndex): void => {
      const place = this.place(at, -1);
      if (!place) return;
      const content = this.memory.exactly(place.start, place.end)?.content;
      const value = values[at].name;
      if (content?.value !== holds) {
        const what = `holds ${content ? `'${this.printContent(content)}'` : 'the remains of other values'}, not '${values[holds].name}'`;
        this.faults.push(diagnose.notRestored({ value, what, where }));
      } else if (content.parts && members(content.parts.present).length < content.parts.present.length) {
        const { of, present } = content.parts;
        this.faults.push(diagnose.incomplete({ value, of, there: members(present), all: present.length, where }));
      }
    };
    const updated = new Map(after.values.map(({ at, holds }) => [at, holds]));
    for (const { at, holds } of before.values) {
      const value = values[at].name;
      if (holds !== at)
        this.faults.push(diagnose.notRestored({ value, what: 'is not what the step began with', where }));
      const next = updated.get(at);
      if (next === undefined) {
        this.faults.push(diagnose.notRestored({ value, what: 'is not promised to the next step', where }));
        continue;
      }
      const [old, now] = [values[at], values[next]];
      const [lies, follows] = [placeOf(values, at), placeOf(values, next)];
      if (lies.base !== follows.base || lies.offset !== follows.offset) {
        this.faults.push(
          diagnose.notRestored({ value, what: `is followed by '${now.name}', which lies elsewhere`, where }),
        );
      }
      if (!sameFactors(old.global, now.global) || !sameFactors(old.type, now.type)) {
        this.faults.push(diagnose.notRestored({ value, what: 'has another type', where }));
      }
      expect(at, next);
    }
    for (const input of inputs) expect(input, input);
    for (const result of Object.values(results)) expect(result, bytesAt(values, result).source);
  }

  /** Where an instance lies: at the address of the steps of its microbatch, or of all. Null where no step touches it. */
  private place(value: ValueIndex, microbatch: number): { readonly start: number; readonly end: number } | null {
    const { values, schedule } = this.compiled.rankClass;
    const { base, offset, bytes } = bytesAt(values, value);
    if (bytes === 0) return null;
    for (let i = schedule.length - 1; i >= 0; i--) {
      const step = schedule[i];
      const address = step.offsets[base];
      if (address === undefined || (microbatch >= 0 && step.microbatch !== microbatch)) continue;
      return { start: address + offset, end: address + offset + bytes };
    }
    return null;
  }

  private undefined(access: ByteAccess, start: number) {
    const found = this.memory.overlapping(start, start + access.bytes);
    const contents = found.map((run) => (run.content ? `'${this.printContent(run.content)}'` : 'remains'));
    const why =
      found.length === 0 ? 'nothing has been written there' : `its bytes hold ${contents.slice(0, 4).join(', ')}`;
    return { value: this.nameOf(access.value), why };
  }

  private overwritten({ content }: Run): string {
    return content ? this.printContent(content) : 'other bytes';
  }

  private writer(run: Run): readonly Place[] {
    return run.launch < 0 ? [] : [{ at: this.describeLaunch(run.launch), note: 'written here' }];
  }

  private describeLaunch(launch: number): string {
    let step = this.firstLaunch.length - 1;
    while (this.firstLaunch[step] > launch) step--;
    const { step: at, body } = this.compiled.steps[step];
    return describe(body[launch - this.firstLaunch[step]], at.microbatch);
  }

  private nameOf(value: ValueIndex): string {
    return this.compiled.rankClass.values[value].name;
  }

  private printContent({ value, microbatch }: Content): string {
    return microbatch < 0 ? this.nameOf(value) : `${this.nameOf(value)} @${microbatch}`;
  }

  private fault<P>(
    at: CompiledInstruction,
    factory: (parameters: P & { where: readonly Place[] }) => DiagnosticError,
    parameters: P,
    others: readonly Place[] = [],
  ): void {
    if (this.reported.has(at)) return;
    this.reported.add(at);
    this.faults.push(factory({ ...parameters, where: placesOf(this.compiled, at, this.microbatch, others) }));
  }
}

const members = (set: Uint8Array): readonly number[] => [...set].flatMap((is, i) => (is ? [i] : []));
