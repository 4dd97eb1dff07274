/** docs/schedules.md and its pictures, made from the schedules' own tables. */
import type { ScheduleKind } from '../../src/schedule/kind.js';
import { defaultVirtualStages, generateSchedule, scheduleKinds } from '../../src/schedule/kinds.js';
import { writeCsv } from '../../src/schedule/csv.js';
import { writeScheduleFile } from '../../src/schedule/file.js';
import { groupOfChunk } from '../../src/schedule/placement.js';
import { pictureOf } from '../../src/schedule/picture.js';
import { svgOf } from '../../src/schedule/svg.js';
import { secondsByDirection, timeline } from '../../src/schedule/timeline.js';

const equal = { forward: 1, backward: 1, weight: 1 };
const drawn = { groups: 4, microbatches: 8 };
const compared = { groups: 8, microbatches: 32 };

function tableOf(kind: ScheduleKind, { groups, microbatches }: typeof drawn) {
  const table = generateSchedule(kind.name, { groups, microbatches, virtualStages: defaultVirtualStages(kind) });
  return { table, seconds: secondsByDirection(table, equal) };
}

/** Schedule → SVG: four groups, eight microbatches, F = B = W. */
export function schedulePictures(): ReadonlyMap<string, string> {
  return new Map(
    [...scheduleKinds.values()].map((kind) => {
      const { table, seconds } = tableOf(kind, drawn);
      const title = `${kind.name} on ${drawn.groups} groups with ${drawn.microbatches} microbatches`;
      return [kind.name, svgOf(table, title, { seconds })];
    }),
  );
}

/** The page, in Markdown. */
export function schedulePage(): string {
  const kinds = [...scheduleKinds.values()];
  return [
    '# Pipeline schedules',
    'A pipeline cuts the model into chunks and places each chunk on a group of devices. A schedule says in which order a group does its ' +
      'slots: one chunk, forward or backward, one microbatch. It is a table, from which programs are compiled; the engine knows no schedule. ' +
      'This page, pictures included, is made from the tables.',
    'p is the number of groups, v of chunks on each, m of microbatches. F, B and W are the seconds of one chunk and one microbatch: forward, ' +
      'gradients of activations, gradients of weights. A schedule that does not split the backward takes B + W for it. A _bubble_ is time ' +
      'in which the worst group does nothing; _activations_ are what the worst group keeps at once, counted in chunks × microbatches. ' +
      'Messages are free here.',
    comparison(kinds),
    ...kinds.map(section),
    files(),
    '',
  ].join('\n\n');
}

function comparison(kinds: readonly ScheduleKind[]): string {
  const rows = kinds.map((kind) => {
    const { table, seconds } = tableOf(kind, compared);
    const timed = timeline(table, { seconds });
    const bubble = Math.max(...timed.groups.map(({ bubbleSeconds }) => bubbleSeconds));
    const v = defaultVirtualStages(kind);
    const peak = Math.max(...timed.groups.map(({ peakToWeight }) => peakToWeight)) / v;
    const chunks = Array.from({ length: compared.groups * v }, (_, c) =>
      groupOfChunk(kind.placement, compared.groups, c),
    );
    const messages = chunks.filter((group, c) => c > 0 && group !== chunks[c - 1]).length / (compared.groups - 1);
    const cells = [
      `[${kind.name}](#${kind.name})`,
      v,
      `${((100 * bubble) / timed.seconds).toFixed(1)}%`,
      Number(peak.toFixed(2)),
      `${messages.toFixed(1)}×`,
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    `With p = ${compared.groups}, m = ${compared.microbatches} and F = B = W, as the tables run. Activations are in microbatches of a whole group's layers:`,
    '',
    '| schedule | v | step without work, worst group | activations, worst group | messages between groups |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

function section(kind: ScheduleKind): string {
  const { table, seconds } = tableOf(kind, { groups: 2, microbatches: 4 });
  const stages =
    'exactly' in kind.virtualStages ? String(kind.virtualStages.exactly) : `${kind.virtualStages.least} or more`;
  const placement = {
    straight: 'chunk c on group c',
    'round-robin': 'chunk c on group c mod p',
    v: 'there and back: group r has chunks r and 2p − 1 − r',
  }[kind.placement];
  const whose = kind.bubble.of === 'span' ? 'between a group’s own first slot and its last' : 'of the step';
  const until = kind.splitsBackward ? (kind.peak.to === 'weight' ? ', to the end of the weight slot' : '') : '';
  return [
    `## ${kind.name}`,
    kind.about,
    `**When to take it.** ${kind.use}`,
    `![${kind.name}: ${drawn.groups} groups, ${drawn.microbatches} microbatches](schedules/${kind.name}.svg)`,
    [
      '| | | holds for |',
      '| --- | --- | --- |',
      `| bubble, ${whose} | ${kind.bubble.text} | ${kind.bubble.holds} |`,
      `| activations${until} | ${kind.peak.text} | ${kind.peak.holds} |`,
      `| microbatches | ${kind.legalMicrobatches} | |`,
      `| chunks a group | ${stages} | |`,
      `| placement | ${placement} | |`,
    ].join('\n'),
    `Two groups, four microbatches:`,
    `\`\`\`text\n${pictureOf(table, { seconds })}\n\`\`\``,
    `Source: ${kind.source}.`,
  ].join('\n\n');
}

function files(): string {
  const table = generateSchedule('zb-h1', { groups: 2, virtualStages: 1, microbatches: 2 });
  return [
    '## A schedule of your own',
    'A schedule is also a file, in one of two forms. Whatever made it, it is checked before anything is compiled: every slot there, once, on ' +
      'the group of its chunk, in an order that completes ([errors](errors/schedule.md)).',
    'Our own form has one text a group. A slot is chunk, direction, microbatch; `0F4+3B1` is two slots that run woven: they switch at each ' +
      'launch of communication. `B` is the whole backward of a chunk that has no `W`, and the gradients of activations of one that has; a chunk ' +
      'has `W` for all microbatches or for none.',
    `\`\`\`json\n${writeScheduleFile(table)}\`\`\``,
    'PyTorch’s form (torch.distributed.pipelining; torchtitan’s `pipeline_parallel_schedule_csv`) is a CSV file with one row a rank; `B` is the ' +
      'whole backward there, `I` the gradients of activations, and an empty cell is a rank that idles.',
    `\`\`\`text\n${writeCsv(table)}\`\`\``,
    '- Its stages are our chunks. Idle cells are dropped: a slot begins when what it needs is done.\n' +
      '- `(0F4;3B1)OVERLAP_F_B` is read as two woven slots.\n' +
      '- A `B` of a stage that has `W` for other microbatches is read as the two, one right behind the other.\n' +
      '- `SEND_F`, `RECV_F`, `SEND_B`, `RECV_B`, `UNSHARD`, `RESHARD` and `REDUCE_GRAD` are read and ignored: messages follow from the order of ' +
      'slots, gathers of sharded weights and reductions of gradients from the plan.',
  ].join('\n\n');
}
