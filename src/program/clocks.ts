/**
 * Local happens-before of a class, by vector clocks: for each launch, how many instructions of every lane have surely finished when it
 * begins. Lanes run in order; a wait takes what the latest earlier signal knew; nothing else orders lanes.
 */
import type { Instruction, Lane, RankClass, ScheduleStep } from './program.js';
import { eventOf, instructionsOf } from './unroll.js';

/** A launch, as it is passed: the record and its clock are those of the next launch afterwards. */
export interface ClockedLaunch<S> {
  readonly instruction: Instruction;
  readonly step: S;
  /** Position in the whole launch list. */
  readonly index: number;
  /** Index of its lane in {@link LaneClocks.lanes}. */
  readonly lane: number;
  /** Its number on its own lane, from 1. */
  readonly number: number;
  /** Instructions surely finished when it begins, by lane. */
  readonly begins: readonly number[];
}

/** An instruction of a template, read once for all its launches. */
interface Read {
  readonly instruction: Instruction;
  readonly lane: number;
  /** The event of a signal or a wait: a number for each name; -1: it is neither. */
  readonly event: number;
  /** Each microbatch has an event of its own. */
  readonly each: boolean;
}

type TimedStep = Pick<ScheduleStep, 'template' | 'microbatch'>;

export class LaneClocks<S extends TimedStep> {
  /** In the order of their first launches. */
  readonly lanes: readonly Lane[];
  private readonly schedule: readonly S[];
  private readonly texts: ReadonlyMap<string, readonly Read[]>;
  private readonly events: number;

  constructor({ templates, schedule }: Pick<RankClass, 'templates'> & { readonly schedule: readonly S[] }) {
    const byName = new Map(templates.map((template) => [template.name, template]));
    const lanes = new Map<Lane, number>();
    const events = new Map<string, number>();
    const numberIn = <K>(numbers: Map<K, number>, key: K): number => {
      const known = numbers.get(key);
      if (known === undefined) numbers.set(key, numbers.size);
      return known ?? numbers.size - 1;
    };
    const read = (instruction: Instruction): Read => {
      const lane = numberIn(lanes, instruction.lane);
      if (instruction.kind !== 'signal' && instruction.kind !== 'wait')
        return { instruction, lane, event: -1, each: false };
      const event = numberIn(events, eventOf(instruction, { microbatch: 0 }));
      return { instruction, lane, event, each: instruction.each };
    };
    const names = [...new Set(schedule.map(({ template }) => template))];
    this.texts = new Map(names.map((name) => [name, instructionsOf(byName.get(name)!).map(read)]));
    this.lanes = [...lanes.keys()];
    this.schedule = schedule;
    this.events = events.size;
  }

  /** Passes every launch, in launch order. */
  walk(visit: (launch: ClockedLaunch<S>) => void): void {
    const known = this.lanes.map(() => this.lanes.map(() => 0));
    const begins = this.lanes.map(() => 0);
    const signalled = new Map<number, number[]>();
    let index = 0;
    for (const step of this.schedule) {
      for (const { instruction, lane, event, each } of this.texts.get(step.template)!) {
        const mine = known[lane];
        const key = each ? event + this.events * step.microbatch : event;
        const signal = instruction.kind === 'wait' ? signalled.get(key) : undefined;
        if (signal) for (let i = 0; i < mine.length; i++) if (signal[i] > mine[i]) mine[i] = signal[i];
        for (let i = 0; i < mine.length; i++) begins[i] = mine[i];
        mine[lane]++;
        if (instruction.kind === 'signal') signalled.set(key, mine.slice());
        visit({ instruction, step, index: index++, lane, number: mine[lane], begins });
      }
    }
  }
}
