/** What `flotilla explain` prints. */
import { bytesText, counted } from '../ir/units.js';
import { idleRanksWarning } from '../partition/idle_ranks.js';
import type { GroupWork } from '../partition/work.js';
import { ranksOf, type Plan } from '../plan/plan.js';
import { tableOf } from '../plan/plan_schedule.js';
import {
  expertsText,
  groupTexts,
  madeAgainText,
  planText,
  precisionText,
  sequencesText,
  zeroText,
} from '../plan/plan_text.js';
import { listed } from '../run/diagnostics.js';
import { pictureOf } from '../schedule/picture.js';
import { splitChunks } from '../schedule/slot.js';
import type { ExplainedMemory, Explanation } from './explain.js';
import { choiceLines } from './explain_choices.js';
import { foldReshards } from './fold_reshards.js';
import { memoryKinds, type MemoryByKind } from './memory/by_kind.js';
import { runtimeBytes } from './memory/forecast.js';

/** As a page: every reshard, then memory by class of ranks. */
export function explanationText(explanation: Explanation): string {
  const { plan, modelDifferences, checkpoint, choices, reshards, classes, memory, work, isHeadTail, inOrder } =
    explanation;
  const total = reshards.reduce((sum, { bytes, times }) => sum + bytes * times, 0);
  const count = reshards.reduce((sum, { times }) => sum + times, 0);
  const idle = idleRanksWarning(plan);
  const lines = [
    `plan      ${ranksOf(plan) === 1 ? '' : `${planText(plan)}: `}${counted(ranksOf(plan), 'rank')}, ${plan.schedule.kind}, ` +
      `${counted(plan.schedule.microbatches, 'scheduled microbatch', 'es')} of ${plan.batch.logical_microbatches} × ${counted(plan.batch.sequences, 'sequence')}` +
      `${plan.batch.padding > 0 ? `, ${plan.batch.padding} of the last ${plan.batch.logical_microbatches} padding` : ''}`,
    ...groupTexts(plan).map((text) => `  ${text}`),
    ...pictureLines(plan),
    ...rowOf('sequences', sequencesText(plan, isHeadTail)),
    ...rowOf('experts', expertsText(plan)),
    `zero      ${zeroText(plan)}`,
    `precision ${precisionText(plan)}`,
    `again     ${madeAgainText(plan)}`,
    ...[idle, inOrder].flatMap((notice) => (notice ? [notice.message] : [])),
    ...(modelDifferences.length > 0
      ? [`model     not the one that this run trained, and refused by resume and generate: ${listed(modelDifferences)}`]
      : []),
    `reshards  ${count} a step, ${bytesText(total)} on one rank's wire`,
  ];
  if (checkpoint) {
    const { step, tokens, tensors, bytes } = checkpoint;
    lines.push(
      `loads     the checkpoint of step ${step}: ${tensors} tensors, ${bytesText(bytes)}, ${tokens} tokens seen`,
    );
  }
  for (const { reshard: r, count } of foldReshards(reshards)) {
    lines.push(
      `  ${r.kind}${r.times > 1 ? ` × ${r.times}` : ''}, ${bytesText(r.bytes)}${count > 1 ? `, ${count} alike` : ''}`,
      `    of        ${r.value}`,
      ...(r.members.length > 0 ? [`              ${memberText(r.members)}`] : []),
      `    layouts   ${r.from} -> ${r.to}`,
      `    asked by  ${r.askedBy}`,
    );
  }
  lines.push(...choiceLines(choices));
  lines.push('work      of the busiest rank over an even share, forward and backward', ...work.map(workText), 'memory');
  for (const { name, ranks, arenaBytes, liveBytes, byKind } of classes) {
    lines.push(
      `  ${name}: ${counted(ranks, 'rank')}, arena ${bytesText(arenaBytes)}, ` +
        `alive at most ${bytesText(liveBytes)}, ratio ${(arenaBytes / liveBytes).toFixed(4)}`,
      ...kindLines(byKind, arenaBytes),
    );
  }
  if (memory) lines.push(`  ${memoryText(memory)}`);
  return lines.join('\n');
}

const rowOf = (name: string, text: string | null): readonly string[] =>
  text === null ? [] : [`${name.padEnd(9)} ${text}`];

/** `1 rank here needs 251 MB: arena 1.2 MB, and 250 MB for its process; it fits: this machine has 24.0 GB, 9.1 GB of it free`. */
function memoryText({ ranks, bytes, host }: ExplainedMemory): string {
  const { physicalBytes, availableBytes } = host;
  const runtime = ranks * runtimeBytes;
  const who = ranks === 1 ? 'its rank needs' : `all ${ranks} ranks on one machine need`;
  const parts = `${bytesText(bytes - runtime)} of arenas, and ${bytesText(runtimeBytes)} for each process`;
  const verdict =
    bytes > physicalBytes
      ? 'that does not fit here'
      : bytes > availableBytes
        ? 'that fits here once memory is free'
        : 'that fits here';
  return `${who} ${bytesText(bytes)} (${parts}); ${verdict}: this machine has ${bytesText(physicalBytes)}, ${bytesText(availableBytes)} of it free`;
}

/** `  group 1: 1.00; repeated: layer_norm over tensor (0.1% more flops)`: the three that cost most. */
function workText({ share, flops, repeated }: GroupWork, group: number): string {
  const percent = (extra: number) => `${((100 * extra) / flops).toFixed(1)}% more flops`;
  const most = repeated.slice(0, 3).filter(({ extraFlops }) => extraFlops >= 0.0005 * flops);
  const list = most.map(({ op, axes, extraFlops }) => `${op} over ${axes.join('*')} (${percent(extraFlops)})`);
  return `  group ${group}: ${share.toFixed(2)}${list.length > 0 ? `; repeated: ${list.join(', ')}` : ''}`;
}

const memberText = ([first, ...others]: readonly string[]): string =>
  others.length === 0 ? first : `${first} to ${others[others.length - 1]}, ${others.length + 1} parameters`;

/** Of the arena when it is fullest, in bytes: they add up to it. */
function kindLines(byKind: MemoryByKind, arenaBytes: number): readonly string[] {
  const width = arenaBytes.toLocaleString('en').length;
  return memoryKinds
    .filter((kind) => byKind[kind] > 0)
    .map((kind) => `    ${byKind[kind].toLocaleString('en').padStart(width)} B  ${kind}`);
}

/** Columns of a picture that is printed whole. */
const mostColumns = 150;

/**
 * The schedule of a pipeline, as `docs/schedules.md` draws it: a forward is one column, a backward two, or one and one where the gradients of
 * weights have slots of their own.
 */
function pictureLines(plan: Plan): readonly string[] {
  const table = tableOf(plan);
  if (table.length === 1) return [];
  const split = splitChunks(table);
  const seconds = ({ chunk, direction }: { readonly chunk: number; readonly direction: string }) =>
    direction === 'backward' && !split.has(chunk) ? 2 : 1;
  const lines = pictureOf(table, { seconds }).split('\n');
  return lines.map((line) => `  ${line.length > mostColumns ? `${line.slice(0, mostColumns - 1)}…` : line}`);
}
