/**
 * Rings against a brute force: of random classes under every schedule all launches of the whole step are written out, what each has surely
 * behind it is gathered launch by launch, and no two instances may have a byte in common unless one is over when the other begins.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bytesOf, tensorType } from '../ir/type.js';
import type { EventInstruction, KernelInstruction, Lane, ProgramValue, Template } from '../program/program.js';
import { defaultVirtualStages, generateSchedule, scheduleKinds } from '../schedule/kinds.js';
import { slotsOf } from '../schedule/slot.js';
import { assignMemory, type UnplacedStep } from './assign_memory.js';
import { ringsOf } from './rings.js';

const source = { path: '', phase: 'forward', segment: '' } as const;
const lanes: readonly Lane[] = ['compute', 'group:data', 'send:1'];

interface Drawn {
  readonly kind: string;
  readonly groups: number;
  readonly group: number;
  readonly microbatches: number;
  readonly values: readonly {
    readonly lifetime: 'microbatch' | 'data' | 'sum' | 'step';
    readonly size: number;
    readonly lane: number;
    /** Where it is written, and who reads it: places in the order of templates, lanes, and whether compute waits for them. */
    readonly at: number;
    readonly readers: readonly { readonly behind: number; readonly lane: number; readonly waited: boolean }[];
  }[];
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  kind: fc.constantFrom(...scheduleKinds.keys()),
  groups: fc.integer({ min: 1, max: 3 }),
  group: fc.nat(2),
  microbatches: fc.integer({ min: 30, max: 48 }),
  values: fc.array(
    fc.record({
      lifetime: fc.oneof(
        { weight: 6, arbitrary: fc.constant('microbatch' as const) },
        { weight: 3, arbitrary: fc.constantFrom('data' as const, 'sum' as const, 'step' as const) },
      ),
      size: fc.integer({ min: 1, max: 60 }),
      lane: fc.nat(lanes.length - 1),
      at: fc.nat(9),
      readers: fc.array(
        fc.record({
          behind: fc.nat(9),
          lane: fc.nat(lanes.length - 1),
          waited: fc.nat(9).map((n) => n > 0),
        }),
        { maxLength: 3 },
      ),
    }),
    { minLength: 2, maxLength: 7 },
  ),
});

interface Built {
  readonly values: readonly ProgramValue[];
  readonly templates: readonly Template[];
  readonly schedule: readonly UnplacedStep[];
}

/** A class in which each value is written in one template and read in it or in later ones, waited for by lanes that are not the writer's. */
function build({ kind, groups, group, microbatches, values }: Drawn): Built {
  const virtualStages = defaultVirtualStages(scheduleKinds.get(kind)!);
  const entries = generateSchedule(kind, { groups, virtualStages, microbatches })[group % groups];
  const schedule = entries
    .flatMap(slotsOf)
    .map(({ chunk, direction, microbatch }) => ({ template: `${direction} ${chunk}`, microbatch }));
  const names = [...new Set(schedule.map(({ template }) => template))];
  const placeOf = (template: string, microbatch: number) =>
    schedule.findIndex((step) => step.template === template && step.microbatch === microbatch);
  const comesBehind = (a: string, b: string) =>
    Array.from({ length: microbatches }, (_, m) => m).every((m) => placeOf(a, m) <= placeOf(b, m));
  const bodies = new Map(names.map((name) => [name, [] as (KernelInstruction | EventInstruction)[]]));
  const touch = (value: number, lane: Lane, access: 'read' | 'write' | 'accumulate'): KernelInstruction => ({
    ...({ kind: 'kernel', op: 'touch', attributes: {}, scratch: null } as KernelInstruction),
    inputs: access === 'read' ? [{ value, access }] : [],
    outputs: access === 'read' ? [] : [{ value, access }],
    lane,
    source,
  });
  values.forEach(({ lifetime, lane, at, readers }, value) => {
    const first = names[at % names.length];
    const event = (kind: 'signal' | 'wait', of: Lane, name = `${value}`): EventInstruction => ({
      ...{ kind, event: name, each: true, lane: of, source },
    });
    const once = lifetime === 'sum' || lifetime === 'step';
    // What there is once a step is touched by one lane alone, whose order is all that it needs.
    bodies.get(first)!.push(touch(value, once ? 'compute' : lanes[lane], lifetime === 'data' ? 'read' : 'write'));
    if (once) return;
    bodies.get(first)!.push(event('signal', lanes[lane]));
    const later = names.filter((name) => comesBehind(first, name));
    for (const [k, { behind, lane: by, waited }] of readers.entries()) {
      const body = bodies.get(later[behind % later.length])!;
      body.push(event('wait', lanes[by]), touch(value, lanes[by], 'read'));
      const read = `${value} is read ${k}`;
      if (waited) body.push(event('signal', lanes[by], read), event('wait', 'compute', read));
    }
  });
  return {
    values: values.map(({ lifetime, size }, i) => {
      const type = tensorType('f32', { n: size });
      const layout = { splits: {}, partial: {} };
      const is = { kind: 'buffer' as const };
      return { name: `v${i}`, is, type, global: type, layout, lifetime, view: null, parts: null, tensors: null };
    }),
    templates: names.map((name) => ({ name, chunk: 0, body: bodies.get(name)! })),
    schedule,
  };
}

interface Instance {
  readonly base: number;
  readonly microbatch: number;
  /** Launches that touch it, and each one's bytes begin. */
  readonly touches: number[];
  readonly offsets: Set<number>;
}

/** Every launch of the step, with all launches that have surely ended when it begins; and the instances that they touch. */
function writtenOut({ values, templates, schedule }: Built, offsets: readonly Readonly<Record<number, number>>[]) {
  const texts = new Map(templates.map(({ name, body }) => [name, body as (KernelInstruction | EventInstruction)[]]));
  const behind: Set<number>[] = [];
  const computes: number[] = [];
  const lastOf = new Map<Lane, number>();
  const signalled = new Map<string, number>();
  const instances = new Map<string, Instance>();
  schedule.forEach(({ template, microbatch }, s) => {
    for (const x of texts.get(template)!) {
      const launch = behind.length;
      const earlier = [lastOf.get(x.lane), x.kind === 'wait' ? signalled.get(`${x.event} ${microbatch}`) : undefined];
      const ended = earlier.filter((one) => one !== undefined).flatMap((one) => [one, ...behind[one]]);
      behind.push(new Set(ended));
      lastOf.set(x.lane, launch);
      if (x.lane === 'compute') computes.push(launch);
      if (x.kind === 'signal') signalled.set(`${x.event} ${microbatch}`, launch);
      if (x.kind !== 'kernel') continue;
      const [{ value: base }] = [...x.inputs, ...x.outputs];
      const own = values[base].lifetime === 'microbatch' || values[base].lifetime === 'data';
      const key = `${base} ${own ? microbatch : ''}`;
      const instance = instances.get(key) ?? { base, microbatch, touches: [], offsets: new Set() };
      instances.set(key, instance);
      instance.touches.push(launch);
      if (offsets.length > 0) instance.offsets.add(offsets[s][base]);
    }
  });
  const isOver = (a: Instance, b: Instance) => b.touches.every((by) => a.touches.every((of) => behind[by].has(of)));
  /** Where compute has waited for it besides, if it ever does. */
  const isWaitedFor = (a: Instance, b: Instance) =>
    a.touches.every((of) => {
      const waits = computes.find((launch) => behind[launch].has(of));
      return computes.includes(of) || waits === undefined || b.touches.every((by) => behind[by].has(waits));
    });
  return { instances: [...instances.values()], isOver, isWaitedFor };
}

const basesOf = ({ templates }: Built) =>
  new Map(
    templates.map(({ name, body }) => [
      name,
      [...new Set(body.flatMap((x) => (x.kind === 'kernel' ? [...x.inputs, ...x.outputs].map((o) => o.value) : [])))],
    ]),
  );

test('no two instances of a step whose addresses come round are in each other’s bytes', { timeout: 120_000 }, () => {
  let ringed = 0;
  fc.assert(
    fc.property(drawn, (given) => {
      const built = build(given);
      const { values, templates, schedule } = built;
      const results = new Set(values.flatMap(({ lifetime }, i) => (lifetime === 'sum' ? [i] : [])));
      const rings = ringsOf(values, templates, schedule, results, basesOf(built), 1);
      if (!rings) return;
      ringed++;
      const memory = { instances: 1, moves: 10, searchNodes: 0 };
      const placed = assignMemory(values, templates, schedule, { results, state: [] }, memory);
      const { instances, isOver } = writtenOut(
        built,
        placed.schedule.map(({ offsets }) => offsets),
      );
      const outlasts = ({ base }: Instance) => values[base].lifetime === 'data' || values[base].lifetime === 'sum';
      for (const [i, a] of instances.entries()) {
        expect(a.offsets.size, 'one address an instance').toBe(1);
        const [start] = a.offsets;
        const end = start + bytesOf(values[a.base].type);
        expect(end).toBeLessThanOrEqual(placed.arenaBytes);
        for (const b of instances.slice(0, i)) {
          const [other] = b.offsets;
          if (end <= other || other + bytesOf(values[b.base].type) <= start) continue;
          const text = `v${a.base} of ${a.microbatch} and v${b.base} of ${b.microbatch} at ${start} and ${other}`;
          // Data is there from the beginning, a result to the end.
          expect(!(outlasts(a) || outlasts(b)) && (isOver(a, b) || isOver(b, a)), text).toBe(true);
        }
      }
    }),
    { numRuns: 60 },
  );
  expect(ringed).toBeGreaterThan(20);
});

test(
  'each ring is the shortest that instances of its value fit, of those that come round together',
  { timeout: 120_000 },
  () => {
    let tried = 0;
    fc.assert(
      fc.property(drawn, (given) => {
        const built = build(given);
        const { values, templates, schedule } = built;
        const rings = ringsOf(values, templates, schedule, new Set(), basesOf(built), 1);
        if (!rings) return;
        const { instances, isOver, isWaitedFor } = writtenOut(built, []);
        const lengths = values.flatMap(({ lifetime }, base) => {
          if (lifetime !== 'microbatch') return [];
          const own = instances.filter((one) => one.base === base).sort((a, b) => a.microbatch - b.microbatch);
          const fits = (n: number) =>
            own.every((one, i) => i < n || (isOver(own[i - n], one) && isWaitedFor(own[i - n], one)));
          return [{ least: own.findIndex((_, n) => n > 0 && fits(n)), is: rings.moduloOf(base) }];
        });
        expect(lengths.every(({ least, is }) => least > 0 && is < given.microbatches)).toBe(true);
        const shortest = (round: number, least: number) => {
          for (let n = least; n <= round; n++) if (round % n === 0) return n;
          return Infinity;
        };
        const rounds = Array.from({ length: given.microbatches }, (_, i) => i + 1);
        const agree = (round: number) => lengths.every(({ least, is }) => is === shortest(round, least));
        expect(rounds.some(agree), JSON.stringify(lengths)).toBe(true);
        tried += lengths.length;
      }),
      { numRuns: 40 },
    );
    expect(tried).toBeGreaterThan(40);
  },
);
