/** Wrong order: on a lane, between lanes, of collectives that ranks must launch alike. */
import type { EventInstruction, Instruction } from '../../../src/program/program.js';
import { areIndependent, moveTo, replaceAt, sitesOf } from '../edit.js';
import type { Mutations } from '../mutant.js';
import { drop, isCollective, isKernel, isMove, isSignal, isWait, mutant, onOne, onPair } from './site.js';

export const order: Mutations = {
  swap_two_collectives: onPair(isCollective, () => true),
  drop_wait: onOne(isWait, (program, site) => drop(program, site)),
  drop_signal: onOne(isSignal, (program, site) => drop(program, site)),
  wait_for_another_event: onOne(isWait, (program, site, random) => {
    const events = sitesOf(program, isSignal).filter(({ c }) => c === site.c);
    const event = (random.pick(events).instruction as EventInstruction).event;
    const instruction = site.instruction as EventInstruction;
    return event === instruction.event ? null : mutant(replaceAt(program, site, { ...instruction, event }), site);
  }),
  signal_another_event: onOne(isSignal, (program, site, random) => {
    const events = sitesOf(program, isSignal).filter(({ c }) => c === site.c);
    const event = (random.pick(events).instruction as EventInstruction).event;
    const instruction = site.instruction as EventInstruction;
    return event === instruction.event ? null : mutant(replaceAt(program, site, { ...instruction, event }), site);
  }),
  /** An event of each microbatch becomes one of all, or the reverse: at one end. */
  flip_each: onOne(
    (x) => isWait(x) || isSignal(x),
    (program, site) => {
      const instruction = site.instruction as EventInstruction;
      return mutant(replaceAt(program, site, { ...instruction, each: !instruction.each }), site);
    },
  ),
  wait_later: onOne(isWait, (program, site, random) => {
    const later = site.i + 2 + random.int(4);
    return mutant(moveTo(program, site, later), site, { ...site, i: later - 1 });
  }),
  signal_earlier: onOne(isSignal, (program, site, random) => {
    const earlier = Math.max(0, site.i - 1 - random.int(3));
    return earlier === site.i ? null : mutant(moveTo(program, site, earlier), site, { ...site, i: earlier });
  }),
  reorder_dependent: onPair(
    (x) => isKernel(x) || isMove(x),
    (program, a, b) => {
      const rankClass = program.classes[a.c];
      return !areIndependent(rankClass, rankClass.templates[a.t].name, a.instruction, b.instruction);
    },
  ),
  change_lane: onOne(
    (x) => isKernel(x) || isMove(x) || isCollective(x),
    (program, site, random) => {
      const lanes = [...new Set(sitesOf(program, () => true).map(({ instruction }) => instruction.lane))];
      const others = lanes.filter((lane) => lane !== site.instruction.lane);
      if (others.length === 0) return null;
      return mutant(replaceAt(program, site, { ...site.instruction, lane: random.pick(others) } as Instruction), site);
    },
  ),
  change_event_lane: onOne(
    (x) => isWait(x) || isSignal(x),
    (program, site, random) => {
      const lanes = [...new Set(sitesOf(program, () => true).map(({ instruction }) => instruction.lane))];
      const others = lanes.filter((lane) => lane !== site.instruction.lane);
      if (others.length === 0) return null;
      return mutant(replaceAt(program, site, { ...site.instruction, lane: random.pick(others) } as Instruction), site);
    },
  ),
};
