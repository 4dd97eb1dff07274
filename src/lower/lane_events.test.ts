/** Who waits for whom where a text that runs ahead fills a buffer for several others. */
import { expect, test } from 'vitest';
import type { AxisName } from '../ir/mesh.js';
import { laneAlong } from '../program/lane.js';
import type { CollectiveInstruction, Instruction } from '../program/program.js';
import { Pending, TemplateWriter } from './lane_events.js';

const source = { path: 'head', phase: 'backward', segment: 'head' } as const;

function allGather(along: AxisName, from: number, to: number): CollectiveInstruction {
  const axes = [along];
  return {
    kind: 'collective',
    move: { kind: 'all_gather', from: { splits: {}, partial: {} }, to: { splits: {}, partial: {} }, axes, factors: [] },
    global: { dtype: 'f32', dims: [] },
    axes,
    reduction: null,
    input: { value: from, access: 'read' },
    output: { value: to, access: 'write' },
    scratch: null,
    lane: laneAlong(axes),
    source,
  };
}

/** What a lane waits for in a text, of what other lanes have done. */
const awaited = (body: readonly Instruction[], lane: string) =>
  body.flatMap((one) => (one.kind === 'wait' && one.lane === lane && one.event.startsWith('done') ? [one.event] : []));

test('each text that gathers anew what was gathered ahead waits for that, not only the one that is written first', () => {
  const [shard, weight, whole] = [0, 1, 2];
  const pending = new Pending();
  const write = (instruction: Instruction, label: string, isAhead: boolean) => {
    const writer = new TemplateWriter((value) => ({ buffer: value, from: 0, to: 8 }), pending, isAhead);
    writer.emit(instruction, label);
    return writer.body;
  };
  write(allGather('data', shard, weight), 'weight', true);
  const slots = ['backward', 'backward.last'].map(() => write(allGather('tensor', weight, whole), 'whole', false));
  const lane = laneAlong(['tensor']);
  expect(slots.map((body) => awaited(body, lane))).toEqual([['done weight'], ['done weight']]);
});

test('what is overwritten that was read ahead of one slot, and in the text of another, is waited for both ways', () => {
  const [shard, weight] = [0, 1];
  const pending = new Pending();
  const writerOf = (isAhead: boolean) =>
    new TemplateWriter((value) => ({ buffer: value, from: 0, to: 8 }), pending, isAhead);
  for (const isAhead of [true, false]) writerOf(isAhead).emit(allGather('data', shard, weight), 'weight');
  const update = writerOf(false);
  update.emit({ ...allGather('tensor', weight, shard), lane: 'compute' }, 'update');
  const waits = update.body.flatMap((one) => (one.kind === 'wait' ? [`${one.event} ${one.each}`] : []));
  expect(waits.sort()).toEqual(['done weight false', 'done weight true']);
});
