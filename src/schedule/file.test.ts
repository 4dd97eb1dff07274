import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkSchedule } from './check.js';
import { writeCsv } from './csv.js';
import { readScheduleFile, scheduleOf, writeScheduleFile } from './file.js';
import { defaultVirtualStages, generateSchedule, scheduleKinds } from './kinds.js';
import { backward, forward, weight, type Entry, type ScheduleTable } from './slot.js';

const [F, B, W] = [forward, backward, weight];
const read = (text: string) => readScheduleFile(text, 'mine');

const slot = fc
  .record({
    chunk: fc.nat(40),
    direction: fc.constantFrom('forward' as const, 'backward' as const, 'weight' as const),
    microbatch: fc.oneof(fc.nat(200), fc.nat(1e14)),
  })
  .map(({ chunk, direction, microbatch }) => ({ chunk, direction, microbatch }));
const entry: fc.Arbitrary<Entry> = fc.oneof(
  { weight: 4, arbitrary: slot },
  fc.tuple(slot, slot).map((woven) => ({ woven })),
);
/** Any rows of any slots, schedule or not. */
const anyTable = fc.array(fc.array(entry, { maxLength: 12 }), { maxLength: 5 });

const generated = fc
  .record({ kind: fc.constantFrom(...scheduleKinds.values()), groups: fc.integer({ min: 1, max: 5 }), more: fc.nat(9) })
  .map(({ kind, groups, more }) =>
    generateSchedule(kind.name, {
      groups,
      virtualStages: defaultVirtualStages(kind),
      microbatches: kind.leastMicrobatches(groups) + more,
    }),
  );

describe('our own form', () => {
  test('is one line a group', () => {
    const table: ScheduleTable = [[F(0, 0), { woven: [F(0, 1), B(3, 0)] }, W(3, 0)], [F(1, 0)]];
    expect(writeScheduleFile(table)).toBe(`{
  "flotilla_schedule": 1,
  "groups": [
    "0F0 0F1+3B0 3W0",
    "1F0"
  ]
}
`);
  });

  test('gives any table back, whether it is a schedule or not', () => {
    fc.assert(
      fc.property(anyTable, (table) => {
        expect(read(writeScheduleFile(table))).toMatchObject({ table, ignored: [] });
      }),
    );
  });

  test.each([
    ['{', /^mine is no schedule: it is no JSON: .* \[schedule\/unreadable-file\]/],
    ['{"groups": []}', /'flotilla_schedule' is undefined, and the version read here is 1/],
    ['{"flotilla_schedule": 2, "groups": []}', /'flotilla_schedule' is 2/],
    ['{"flotilla_schedule": 1}', /'groups' is no list of texts/],
    ['{"flotilla_schedule": 1, "groups": [[0]]}', /'groups' is no list of texts/],
    ['{"flotilla_schedule": 1, "group": []}', /has a field 'group' that schedules lack \(did you mean 'groups'\?\)/],
    ['{"flotilla_schedule": 1, "groups": ["0F0", "0F0 1f3"]}', /'1f3' \[.*where {2}mine, group 1, slot 1\n/s],
    ['{"flotilla_schedule": 1, "groups": ["0F0+0B0+0W0"]}', /where {2}mine, group 0, slot 0\n/],
    ['{"flotilla_schedule": 1, "groups": ["0F0+"]}', /'0F0\+'/],
    ['{"flotilla_schedule": 1, "groups": ["0F1e3"]}', /'0F1e3'/],
    ['{"flotilla_schedule": 1, "groups": ["0F1234567890123456"]}', /'0F1234567890123456'/],
  ])('refuses %s', (text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  test('refuses what is long or nests deep in few words', () => {
    const [long, deep] = ['x'.repeat(1e5), `${'['.repeat(1e5)}${']'.repeat(1e5)}`];
    expect(() => read(`{"flotilla_schedule": ${deep}, "groups": []}`)).toThrow(/it nests deeper than 64 levels/);
    expect(() => read(`{"flotilla_schedule": "${long}", "groups": []}`)).toThrow(/is "x{59}…, and/);
    expect(() => read(`{"flotilla_schedule": 1, "${long}": []}`)).toThrow(/a field 'x{60}…' that/);
  });
});

describe("PyTorch's form", () => {
  test('gives any table back whose chunks are split for all microbatches or for none', () => {
    fc.assert(
      fc.property(generated, (table) => {
        const text = writeCsv(table);
        expect(read(text)).toMatchObject({ table, ignored: [] });
        // Python's csv module ends its lines otherwise.
        expect(read(text.replaceAll('\n', '\r\n')).table).toEqual(table);
      }),
    );
  });

  test('B is the whole backward, I and W its two halves', () => {
    expect(writeCsv([[F(0, 0), B(0, 0), F(1, 0), B(1, 0), W(1, 0)]])).toBe('0F0,0B0,1F0,1I0,1W0\n');
    expect(read('0F0,0B0,1F0,1I0,1W0').table).toEqual([[F(0, 0), B(0, 0), F(1, 0), B(1, 0), W(1, 0)]]);
  });

  test('a whole backward of a chunk that is split elsewhere is its two halves, one right behind the other', () => {
    expect(read('0F0,0F1,0B0,0I1,0W1').table).toEqual([[F(0, 0), F(0, 1), B(0, 0), W(0, 0), B(0, 1), W(0, 1)]]);
    expect(read('0F0,(0F1;0B0)OVERLAP_F_B,0I1,0W1').table).toEqual([
      [F(0, 0), { woven: [F(0, 1), B(0, 0)] }, W(0, 0), B(0, 1), W(0, 1)],
    ]);
  });

  test('idle cells are dropped, quotes and blanks round a cell too, and lines without cells at the end', () => {
    expect(read('\ufeff 0F0 ,,"0B0",\r\n,1F0,1B0\r\n\r\n\n').table).toEqual([
      [F(0, 0), B(0, 0)],
      [F(1, 0), B(1, 0)],
    ]);
    expect(read('').table).toEqual([]);
    // A rank without work is a row without cells.
    expect(read(',,\n0F0,0B0').table).toEqual([[], [F(0, 0), B(0, 0)]]);
  });

  test('messages, gathers and reductions are read, and told as ignored', () => {
    const { table, ignored } = read(
      '0UNSHARD,0F0,0SEND_F0,0RECV_B0,0B0,0RESHARD,0REDUCE_GRAD\n1RECV_F0,1F0,1B0,1SEND_B0,1REDUCE_GRAD0',
    );
    expect(table).toEqual([
      [F(0, 0), B(0, 0)],
      [F(1, 0), B(1, 0)],
    ]);
    expect(ignored).toEqual(['RECV_B', 'RECV_F', 'REDUCE_GRAD', 'RESHARD', 'SEND_B', 'SEND_F', 'UNSHARD']);
    expect(checkSchedule(table, scheduleOf(table))).toEqual([]);
  });

  test.each([
    ['0F0,0B0\n1F0,,1X0', /slot that cannot be read: '1X0' \[.*where {2}mine, line 2, cell 3\n/s],
    ['0F', /'0F'/],
    ['0F0x', /'0F0x'/],
    ['F0', /'F0'/],
    ['-1F0', /'-1F0'/],
    ['0SEND_F', /'0SEND_F'/],
    ['(0F0;0B0;0W0)OVERLAP_F_B', /write a forward and a backward that run woven/],
    ['(0B0;0F0)OVERLAP_F_B', /write a forward and a backward that run woven/],
    ['(0F0;0B0)', /write a forward and a backward that run woven/],
    ['((0F0;0B0)OVERLAP_F_B;0B1)OVERLAP_F_B', /write a forward and a backward that run woven/],
    [`0F0,${'9'.repeat(400)}F0`, /'9{60}…'/],
    [
      '0F0,0I0',
      /mine is no schedule: stage 0 has I, the gradients of activations, and no W, those of weights .*where {2}mine, line 1, cell 2\n/s,
    ],
  ])('refuses %s', (text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  test('is not written where two slots are woven that it cannot weave', () => {
    expect(() => writeCsv([[{ woven: [F(0, 0), F(1, 1)] }]])).toThrow(
      /PyTorch's form of a schedule cannot weave 0F0 and 1F1 \[schedule\/not-pytorch\]/,
    );
  });
});

describe('a fault of a file is told at its line and cell, in its words', () => {
  const told = (text: string) => {
    const { table, source } = readScheduleFile(text, 'mine.csv');
    return checkSchedule(table, scheduleOf(table), source).map(({ message }) => message);
  };

  test('a whole backward beside a weight slot of its own', () => {
    expect(told('0F0,0F1,0B0,0B1,0W0')).toEqual([
      `the pipeline schedule has 0W0 2 times [schedule/slot-twice]
  why    a gradient would be added more than once; 0B0 is the whole backward, with 0W0 in it
  where  mine.csv, line 1, cell 3 (0B0)
  where  mine.csv, line 1, cell 5 (0W0)
  fix    write 0I0 in place of 0B0, or drop 0W0`,
    ]);
    expect(told('0F0,0F1,0I0,0B1,0W0')).toEqual([]);
    expect(told('0F0,,0B0,0I0,0W0')[0]).toMatch(
      /has 0I0 2 times.*with 0I0 in it.*cell 3 \(0B0\).*cell 4 \(0I0\).*write 0I0 in place of 0B0, or drop 0I0/s,
    );
    expect(told('0F0,0F1,0B0,,0B0,0I1,0W1')[0]).toMatch(
      /has 0B0 2 times.*cell 3 \(0B0\).*cell 5 \(0B0\).*keep one of/s,
    );
  });

  test('a deadlock', () => {
    expect(told('0F0,,0I0,0F1,0I1,0W0,0W1\n,1F0,1F1,1B0,1B1')).toEqual([
      `the pipeline schedule does not complete: 0I0 waits for 1B0 behind 1F1, 1F1 waits for 0F1 behind 0I0 [schedule/deadlock]
  why    each group does its slots in order, so these wait for each other for ever
  where  mine.csv, line 1, cell 3 (0I0 waits for 1B0)
  where  mine.csv, line 2, cell 4 (1B0)
  where  mine.csv, line 2, cell 3 (1F1 waits for 0F1)
  where  mine.csv, line 1, cell 4 (0F1)
  fix    on one of these groups, move the slot that is waited for before the one that waits`,
    ]);
    expect(told('0F0,(0F1;0B0)OVERLAP_F_B,0B1\n1F0,1F1,1B0,1B1')[0]).toMatch(
      /: \(0F1;0B0\)OVERLAP_F_B waits for 1B0 behind 1F1.*mine\.csv, line 1, cell 2 \(/s,
    );
  });

  test.each([
    [
      'a weight slot before its backward',
      '0F0,,0W0,0I0',
      /runs 0W0 before 0I0 is done.*cell 3 \(0W0\).*cell 4 \(0I0\)/s,
    ],
    ['a slot that is missing', '0F0,0I0,0W0,0F1,0W1', /lacks 0I1 \[.*where {2}mine\.csv\n/s],
    ['a weight slot that is missing', '0F0,0I0,0F1,0I1,0W1', /lacks 0W0 \[.*where {2}mine\.csv\n/s],
    [
      'a chunk on two ranks',
      '0F0,0B0\n1F0,1B0,0UNSHARD,0F1,0B1,1F1,1B1',
      /runs 0F1 on another group .*, which is that of line 1 \[.*line 2, cell 4 \(0F1\).*line 2, cell 5 \(0B1\)/s,
    ],
  ])('%s', (_, text, message) => {
    expect(told(text).join('\n')).toMatch(message);
  });

  test('a chunk and a microbatch that are not there', () => {
    const { table, source } = readScheduleFile('0F0,,0I0,0W0,2I0,0F7,2W0', 'mine.csv');
    const of = { groups: 1, chunks: 1, microbatches: 1, groupOf: () => 0 };
    expect(() => readScheduleFile('0F0,,0I0,0W0,2I0', 'mine.csv')).toThrow(/stage 2 has I.*mine\.csv, line 1, cell 5/s);
    const faults = checkSchedule(table, of, source).map(({ message }) => message);
    expect(faults[0]).toMatch(/names chunks that the model lacks.*mine\.csv, line 1, cell 5 \(2I0\)/s);
    expect(faults[1]).toMatch(/names microbatches that the step lacks.*mine\.csv, line 1, cell 6 \(0F7\)/s);
  });
});

test('every entry of a file that is written is found where the file has it', () => {
  fc.assert(
    fc.property(generated, fc.array(fc.nat(3), { minLength: 1 }), (table, idle) => {
      let k = 0;
      const cells = writeCsv(table)
        .trimEnd()
        .split('\n')
        .map((line) => line.split(',').flatMap((cell) => [...Array<string>(idle[k++ % idle.length]).fill(''), cell]));
      const { source } = readScheduleFile(cells.map((row) => row.join(',')).join('\n'), 'mine.csv');
      for (const { at, text } of source.entries.flat()) {
        const [line, cell] = /^line (\d+), cell (\d+)$/.exec(at)!.slice(1).map(Number);
        expect(cells[line - 1][cell - 1]).toBe(text);
      }
      expect(source.entries.map((row) => row.length)).toEqual(table.map((row) => row.length));
    }),
  );
});

test('any text is read or refused, in either form', () => {
  const pieces = fc.constantFrom('0F0', '1B2', '3W1', '0I0', ',', '\n', '\r\n', ' ', '"', '{', '}', '(', ')', ';', '+');
  const words = fc.array(fc.oneof(pieces, fc.constantFrom('OVERLAP_F_B', 'UNSHARD', '"groups":[', ']', '1e9')));
  fc.assert(
    fc.property(
      fc.oneof(
        words.map((all) => all.join('')),
        fc.string({ unit: 'binary' }),
      ),
      (text) => {
        try {
          const { table } = read(text);
          checkSchedule(table, scheduleOf(table));
        } catch (error) {
          expect((error as { code?: string }).code, String(error)).toMatch(/^schedule\/unreadable-(file|slot)$/);
        }
      },
    ),
    { numRuns: Number(process.env.RUNS ?? 2000) },
  );
});

test('what a table is a schedule of is read off it', () => {
  const table = generateSchedule('zb-v', { groups: 3, virtualStages: 2, microbatches: 5 });
  const of = scheduleOf(table);
  expect([of.groups, of.chunks, of.microbatches]).toEqual([3, 6, 5]);
  expect([0, 1, 2, 3, 4, 5].map(of.groupOf)).toEqual([0, 1, 2, 2, 1, 0]);
  // A chunk on two groups is the first one's, and the other is told.
  const strayed = [
    [F(0, 0), B(0, 0)],
    [F(1, 0), B(1, 0), F(0, 1), B(0, 1), F(1, 1), B(1, 1)],
  ];
  expect(checkSchedule(strayed, scheduleOf(strayed)).map(({ code }) => code)).toEqual(['schedule/wrong-group']);
  expect(scheduleOf([[F(1, 0), B(1, 0)]]).groupOf(0)).toBeNull();
});
