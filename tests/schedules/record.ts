/**
 * Writes down PyTorch's schedules for the tests: `npx tsx tests/schedules/record.ts`. The torch is the one that the native engine uses.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { locateTorch } from '../../src/engine/native/locate.js';
import { scheduleKinds, defaultVirtualStages } from '../../src/schedule/kinds.js';
import type { RecordedSchedule } from './recorded.js';

const shapes = [...scheduleKinds.values()].flatMap((kind) => {
  const least = defaultVirtualStages(kind);
  const sizes = [2, 3, 4].flatMap((groups) => [1, 2, 4].map((k) => ({ groups, microbatches: k * groups })));
  return [...sizes, { groups: 8, microbatches: 16 }, { groups: 4, microbatches: 10 }]
    .flatMap((size) =>
      (kind.name === 'interleaved' ? [least, least + 1] : [least]).map((v) => ({ ...size, virtualStages: v })),
    )
    .filter(({ groups, microbatches }) => microbatches >= kind.leastMicrobatches(groups))
    .map((shape) => ({ kind: kind.name, ...shape }));
});

const python = (await locateTorch()).found?.python ?? 'python3';
const script = new URL('reference.py', import.meta.url).pathname;
const answer = execFileSync(python, [script], { input: JSON.stringify(shapes), maxBuffer: 1 << 26 });
const rows = JSON.parse(answer.toString()) as readonly (readonly string[])[];
const recorded = shapes.map((shape, i): RecordedSchedule => ({ ...shape, rows: rows[i] }));
const file = new URL('pytorch.json', import.meta.url).pathname;
writeFileSync(file, JSON.stringify(recorded));
execFileSync('npx', ['prettier', '--write', file]);
console.log(`${recorded.length} schedules written to ${file}`);
