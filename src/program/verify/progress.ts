/**
 * Rule 7: every step completes.
 *
 * What an instruction waits for is fixed: the one before it on its lane, the signal of its event, the other members of its collective,
 * the other side of its message (rendezvous: a send ends when it is received). So one completing order proves that every order
 * completes: the graph of what waits for what has no cycle. Classes stand for their ranks: a cycle among ranks is a closed walk among
 * classes. A second graph chains each device's collectives in launch order, for backends that run them one at a time.
 */
import type { DiagnosticError } from '../../ir/diagnostic.js';
import { describe, describeRanks, type CompiledClass, type CompiledInstruction } from './compiled_class.js';
import { channelsOf } from './channels.js';
import { sharing } from './collectives.js';
import * as diagnose from './diagnostics.js';

export function checkProgress(classes: readonly CompiledClass[]): readonly DiagnosticError[] {
  const launches = new Launches(classes);
  const stuck = launches.stuck(false);
  if (stuck.length > 0) return [diagnose.deadlock({ how: '', where: launches.placesOf(stuck) })];
  const chained = launches.stuck(true);
  const how = ' where collectives run one at a time in launch order';
  return chained.length > 0 ? [diagnose.deadlock({ how, where: launches.placesOf(chained) })] : [];
}

/** The launches of all classes, numbered, with what they wait for. */
class Launches {
  private readonly classes: readonly CompiledClass[];
  /** First launch of each class, and of each step within it. */
  private readonly starts: number[] = [];
  private readonly stepStarts: number[][] = [];
  private readonly count: number;
  /** Pairs: the second begins after the first has ended. */
  private readonly edges: number[] = [];
  /** The same, between successive collectives of a class. */
  private readonly chain: number[] = [];
  /** Launches that happen together, by union-find. */
  private readonly together: Int32Array;

  constructor(classes: readonly CompiledClass[]) {
    this.classes = classes;
    let launch = 0;
    for (const { steps } of classes) {
      this.starts.push(launch);
      this.stepStarts.push(
        steps.map(({ body }) => {
          const start = launch;
          launch += body.length;
          return start;
        }),
      );
    }
    this.count = launch;
    this.together = Int32Array.from({ length: launch }, (_, i) => i);
    const collectives = classes.map((compiled, i) => this.connect(compiled, i));
    this.joinCollectives(collectives);
    this.joinMessages();
  }

  /** The order within a class: lanes, and waits after signals. Gives its collectives by lane. */
  private connect(compiled: CompiledClass, index: number): ReadonlyMap<string, readonly number[]> {
    const last = new Int32Array(compiled.lanes.length).fill(-1);
    const signals = new Map<number, number>();
    const collectives = new Map<string, number[]>();
    let launch = this.starts[index];
    let previous = -1;
    for (const { body } of compiled.steps) {
      for (const { instruction, lane, event } of body) {
        if (last[lane] >= 0) this.edges.push(last[lane], launch);
        last[lane] = launch;
        if (instruction.kind === 'signal') signals.set(event, launch);
        else if (instruction.kind === 'wait') {
          const signal = signals.get(event);
          if (signal !== undefined) this.edges.push(signal, launch);
        } else if (instruction.kind === 'collective') {
          const list = collectives.get(instruction.lane);
          if (list) list.push(launch);
          else collectives.set(instruction.lane, [launch]);
          if (previous >= 0) this.chain.push(previous, launch);
          previous = launch;
        }
        launch++;
      }
    }
    return collectives;
  }

  private joinCollectives(collectives: readonly ReadonlyMap<string, readonly number[]>[]): void {
    this.classes.forEach((one, i) => {
      for (const [lane, list] of collectives[i]) {
        for (const other of sharing(this.classes, one, lane as `group:${string}`)) {
          const theirs = collectives[this.classes.indexOf(other)].get(lane) ?? [];
          list.forEach((launch, k) => {
            if (k < theirs.length) this.join(launch, theirs[k]);
          });
        }
      }
    });
  }

  private joinMessages(): void {
    const numbers = new Map<CompiledInstruction, Map<number, number>>();
    this.classes.forEach(({ steps }, i) =>
      steps.forEach(({ step, body }, k) =>
        body.forEach((at, j) => {
          if (at.instruction.kind !== 'send' && at.instruction.kind !== 'receive') return;
          const byMicrobatch = numbers.get(at) ?? new Map<number, number>();
          byMicrobatch.set(step.microbatch, this.stepStarts[i][k] + j);
          numbers.set(at, byMicrobatch);
        }),
      ),
    );
    const launchOf = (m: { at: CompiledInstruction; microbatch: number }) => numbers.get(m.at)!.get(m.microbatch)!;
    for (const { sends, receives } of channelsOf(this.classes)) {
      sends.forEach((sent, k) => {
        if (k < receives.length) this.join(launchOf(sent), launchOf(receives[k]));
      });
    }
  }

  private join(a: number, b: number): void {
    this.together[this.find(a)] = this.find(b);
  }

  private find(launch: number): number {
    const { together } = this;
    while (together[launch] !== launch) {
      together[launch] = together[together[launch]];
      launch = together[launch];
    }
    return launch;
  }

  /** One run (Kahn's algorithm): launches that never begin though nothing outside the cycle holds them; empty where all end. */
  stuck(chained: boolean): readonly number[] {
    const { count } = this;
    const edges = chained ? [...this.edges, ...this.chain] : this.edges;
    const waits = new Int32Array(count);
    const firstEdge = new Int32Array(count).fill(-1);
    const nextEdge = new Int32Array(edges.length / 2);
    for (let e = 0; e < edges.length; e += 2) {
      const [from, to] = [this.find(edges[e]), this.find(edges[e + 1])];
      waits[to]++;
      nextEdge[e / 2] = firstEdge[from];
      firstEdge[from] = e / 2;
    }
    const ready: number[] = [];
    for (let i = 0; i < count; i++) if (this.find(i) === i && waits[i] === 0) ready.push(i);
    let done = 0;
    while (ready.length > 0) {
      const launch = ready.pop()!;
      done++;
      for (let e = firstEdge[launch]; e >= 0; e = nextEdge[e]) {
        const to = this.find(edges[2 * e + 1]);
        if (--waits[to] === 0) ready.push(to);
      }
    }
    let groups = 0;
    for (let i = 0; i < count; i++) if (this.find(i) === i) groups++;
    if (done === groups) return [];
    // The heads of lanes that never began: what an engine would report.
    const heads: number[] = [];
    for (let i = 0; i < count && heads.length < 8; i++) if (waits[this.find(i)] > 0 && this.isMeeting(i)) heads.push(i);
    return heads;
  }

  private isMeeting(launch: number): boolean {
    const { kind } = this.instructionOf(launch).at.instruction;
    return kind === 'collective' || kind === 'send' || kind === 'receive';
  }

  placesOf(launches: readonly number[]) {
    return launches.map((launch) => {
      const { compiled, at, microbatch } = this.instructionOf(launch);
      return { at: describe(at, microbatch), note: describeRanks(compiled) };
    });
  }

  private instructionOf(launch: number) {
    let index = this.starts.length - 1;
    while (this.starts[index] > launch) index--;
    const starts = this.stepStarts[index];
    let step = starts.length - 1;
    while (starts[step] > launch || this.classes[index].steps[step].body.length === 0) step--;
    const compiled = this.classes[index];
    const { step: at, body } = compiled.steps[step];
    return { compiled, at: body[launch - starts[step]], microbatch: at.microbatch };
  }
}
