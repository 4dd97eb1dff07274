/** Instructions in words, for messages about deadlocks and faults. */
import type { RankClass } from '../../program/program.js';
import { operandsOf, titleOf } from '../../program/kinds.js';
import { instructionsOf, type Launch } from '../../program/unroll.js';
import type { VirtualRank } from './virtual_rank.js';

/** `backward.first[12] all_reduce on group:data` */
export function describeLaunch({ instruction, template, step }: Launch): string {
  const place = `${template.name}[${instructionsOf(template).indexOf(instruction)}] of microbatch ${step.microbatch}`;
  const on = instruction.lane === 'compute' ? '' : ` on ${instruction.lane}`;
  return `${titleOf(instruction)}, ${place}${on}`;
}

/** `rank 1: all_reduce …, a → b` */
export function describeRankLaunch({ rank, rankClass }: VirtualRank, launch: Launch): string {
  return `rank ${rank}: ${describeLaunch(launch)}${operandsText(rankClass, launch)}`;
}

function operandsText({ values }: RankClass, { instruction }: Launch): string {
  const operands = operandsOf(instruction);
  const names = (reads: boolean) =>
    operands
      .filter(({ access }) => (access === 'read') === reads)
      .map(({ value }) => values[value]?.name ?? `value ${value}`);
  return operands.length === 0 ? '' : `, (${names(true).join(', ')}) → (${names(false).join(', ')})`;
}
