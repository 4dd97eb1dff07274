import fc from 'fast-check';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readCorpus, type Corpus } from './corpus.js';
import { findFiles } from './find_files.js';
import { folderWith } from './testing/folder.js';

/** What one file, named by itself or found in its folder, comes to. */
async function read(
  name: string,
  content: string | Uint8Array,
  more: { field?: string; max_bytes?: number; found?: boolean } = {},
): Promise<Corpus> {
  const root = folderWith({ [join('c', name)]: content });
  const { field = 'text', max_bytes = 1e9, found = false } = more;
  return readCorpus(findFiles([found ? 'c' : `c/${name}`], root), { field, max_bytes });
}
const texts = ({ documents }: Corpus) => documents.map(({ text }) => text);

const lines = '{"text":"one"}\n{"text":"two\\n"}\n';
const list = '[{"text":"one"},\n {"text":"two\\n"}]';

test.each([
  ['lines in .jsonl', 'x.jsonl', lines],
  ['lines in .ndjson', 'x.ndjson', lines],
  ['lines in .json', 'x.json', lines],
  ['lines in capitals', 'X.JSONL', lines],
  ['a list in .json', 'x.json', list],
  ['a list in one line', 'x.json', list.replace('\n', '')],
  ['a list in .jsonl', 'x.jsonl', list],
  ['objects over several lines', 'x.json', '{\n "text": "one"\n}\n{\n "text": "two\\n"\n}\n'],
  ['an object in a line, and one over several', 'x.json', '{"text":"one"}\n{\n  "text": "two\\n"\n}\n'],
  ['an object in a line and one beside it', 'x.json', '{"text":"one"}\n\n{"a":{},\n"text":null} {"text":"two\\n"}\n'],
  ['the same under another name', 'x.txt', '{"text":"one"}\n{\n  "text": "two\\n"\n}\n'],
  ['objects without anything between', 'x.json', '{\n"text":"one"}{"text":"two\\n"}'],
  ['a mark, CRLF and blank lines', 'x.jsonl', `\uFEFF\r\n${lines.replaceAll('\n', '\r\n\r\n')}`],
  ['no line end at the end', 'x.ndjson', lines.trimEnd()],
  [
    'other fields, braces and quotes in texts',
    'x.json',
    '[{"id":1,"text":"one","m":{"text":"]}\\"{["}},{"text":"two\\n"}]',
  ],
  ['records under another name', 'x.txt', lines],
  ['records without an ending', 'part-00000', lines],
  ['a list under another name', 'x.dat', list],
])('records: %s', async (_, name, content) => {
  expect(texts(await read(name, content))).toEqual(['one', 'two\n']);
  expect(texts(await read(name, Buffer.from(`\uFEFF${content}`, 'utf16le')))).toEqual(['one', 'two\n']);
});

test('records of which some take several lines are told apart, and what is none has its line', async () => {
  const content = '{"text":"one"}\n{\n  "text": "two"\n}\n{"text":"three"} {"text":"four"}\n';
  const paths = ({ documents }: Corpus) => documents.map(({ path, text }) => `${path.replace('x.json', '')} ${text}`);
  const all = [':1 one', ':2 two', ':5 three', '#4 four'];
  expect(paths(await read('x.json', content))).toEqual(all);
  await expect(read('x.json', `${content}{"text": five}\n{"text":"six"}\n`)).rejects.toThrow('x.json:6');
  await expect(read('x.json', `${content}{"text":\n"five"\n{"text":"six"}\n`)).rejects.toThrow('x.json:6');
  // A limit ends at a record, wherever it cuts.
  for (let max_bytes = 15; max_bytes < content.length; max_bytes++)
    expect(all.join().startsWith(paths(await read('x.json', content, { max_bytes })).join())).toBe(true);
});

test('one object is one record; each record has a name of its own', async () => {
  const one = await read('x.json', '{\n  "text": "one"\n}\n');
  expect(one.documents.map(({ path, text }) => [path, text])).toEqual([['x.json#1', 'one']]);
  expect((await read('x.json', list)).documents.map(({ path }) => path)).toEqual(['x.json#1', 'x.json#2']);
  expect((await read('x.ndjson', `\n${lines}`)).documents.map(({ path }) => path)).toEqual([
    'x.ndjson:2',
    'x.ndjson:3',
  ]);
});

test.each([
  ['a text that begins with a brace', '{ hello }\nand more\n'],
  ['one that begins with a bracket', '[Intro]\nla la la\n'],
  ['JSON without the field', '{"name": "x", "version": 1}\n'],
  ['a list of words', '["one", "two"]'],
  ['records, and then a line that is none', `${lines}that was it\n`],
  ['an empty list', '[]'],
  ['a brace alone', '{'],
])('text stays text: %s', async (_, content) => {
  const corpus = await read('x.txt', content);
  expect(texts(corpus)).toEqual([content]);
  // It is said where the beginning is that of records.
  expect(corpus.notices).toHaveLength(content.startsWith('{"') ? 1 : 0);
});

test.each<[string, string, string, { field?: string }, RegExp]>([
  ['no object', 'x.jsonl', '5\n', {}, /neither an object nor a list[\s\S]*x\.jsonl:1/],
  ['prose', 'x.json', 'once upon a time', {}, /neither an object nor a list/],
  ['a line cut short', 'x.ndjson', `${lines}{"text":"thr`, {}, /a record is not[\s\S]*x\.ndjson:3/],
  ['a list that does not end', 'x.json', '[{"text":"one"},\n{"text":"t', {}, /it ends within a value[\s\S]*x\.json:2/],
  ['a list without its bracket', 'x.json', '[{"text":"one"},\n', {}, /it ends within the list/],
  ['a comma missing', 'x.json', '[{"text":"one"}\n{"text":"two"}]', {}, /a comma[\s\S]*x\.json:2/],
  ['more behind the list', 'x.json', `${list}\n{}`, {}, /something comes after the list[\s\S]*x\.json:3/],
  [
    'a number for a text',
    'x.jsonl',
    '{"text":"a"}\n{"text":5}\n{"text":6}\n',
    {},
    /2 of 3 records[\s\S]*'text' is a number[\s\S]*:2 \(the first/,
  ],
  ['a list for a text', 'x.jsonl', '{"text":["a"]}\n', {}, /'text' is a list, not a text/],
  ['the field is missing', 'x.jsonl', '{"content":"a"}\n', {}, /no field 'text'; there is 'content'[\s\S]*data\.field/],
  ['the field is mistyped', 'x.jsonl', '{"text":"a"}\n', { field: 'txt' }, /did you mean 'text'/],
  ['a field below', 'x.jsonl', '{"a":{"c":"x"}}\n', { field: 'a.b' }, /no field 'a\.b'; in 'a' is 'c'/],
  ['a field below a text', 'x.jsonl', '{"a":"x"}\n', { field: 'a.b' }, /'a' is a text, and has no 'b'/],
  ['a name of every object', 'x.jsonl', '{"a":"x"}\n', { field: 'toString' }, /no field 'toString'/],
  ['texts alone', 'x.json', '["one"]', {}, /a text where an object is expected/],
  ['brackets without end', 'x.json', '['.repeat(100_000), {}, /ends within/],
])('a file called JSON that has no records is refused: %s', async (_, name, content, { field }, words) => {
  await expect(read(name, content, { field })).rejects.toThrow('data/bad-json-line');
  await expect(read(name, content, { field })).rejects.toThrow(words);
});

test('a field may lie deep, or have a dot in its name', async () => {
  const content = '{"meta":{"body":{"text":"deep"}},"meta.body.text":"flat"}\n';
  expect(texts(await read('x.jsonl', content, { field: 'meta.body.text' }))).toEqual(['flat']);
  expect(texts(await read('x.jsonl', content.replace(',"meta.body', ',"x'), { field: 'meta.body.text' }))).toEqual([
    'deep',
  ]);
  expect(texts(await read('x.jsonl', '{"__proto__":"x"}\n', { field: '__proto__' }))).toEqual(['x']);
});

test('records whose text is null or empty are left out, and counted', async () => {
  const corpus = await read('x.jsonl', '{"text":"a"}\n{"text":null}\n{"text":" "}\n{"text":null}\n');
  expect(texts(corpus)).toEqual(['a']);
  expect(corpus.notices).toEqual([
    "2 of 4 records left out: 'text' is null (first: x.jsonl, line 2)",
    "1 of 4 records left out: 'text' is empty (first: x.jsonl, line 3)",
  ]);
  expect((await read('x.jsonl', '{"a":null}\n', { field: 'a.b' })).notices[0]).toContain("'a.b' is null");
});

test('in a folder, .json that is no records is left out, and what is damaged is refused', async () => {
  const settings = await read('package.json', '{"name": "x"}', { found: true });
  expect(settings.skipped).toEqual([
    { path: 'c/package.json', reason: 'JSON without records', detail: expect.stringContaining("no field 'text'") },
  ]);
  expect((await read('tsconfig.json', '{ // notes\n}', { found: true })).skipped[0].reason).toBe(
    'JSON without records',
  );
  expect(texts(await read('x.json', lines, { found: true }))).toEqual(['one', 'two\n']);
  await expect(read('x.json', `${lines}{"text"`, { found: true })).rejects.toThrow('data/bad-json-line');
  await expect(read('x.ndjson', '{"name": "x"}', { found: true })).rejects.toThrow('data/bad-json-line');
});

test.each([
  ['lines', 'x.jsonl', (records: readonly string[]) => records.map((record) => `${record}\n`).join('')],
  ['a list', 'x.json', (records: readonly string[]) => `[${records.join(',\n')}]`],
  ['objects', 'x.json', (records: readonly string[]) => records.map((record) => record.replace('{', '{\n')).join('\n')],
])('a byte limit ends at a record, wherever it falls: %s', async (_, name, write) => {
  const words = ['one river', 'zwei Mühlen', 'three "stones"', '四つの日本語'];
  const content = Buffer.from(write(words.map((text) => JSON.stringify({ text }))));
  let most = 0;
  for (let max_bytes = 1; max_bytes <= content.length; max_bytes++) {
    const got = texts(await read(name, content, { max_bytes }));
    expect(got).toEqual(words.slice(0, got.length));
    expect(got.length).toBeGreaterThanOrEqual(most);
    most = got.length;
  }
  expect(most).toBe(words.length);
});

test('any records, written in any of the forms, are read as JSON.parse reads them', async () => {
  const form = fc.constantFrom('lines', 'list', 'pretty list', 'pretty', 'mixed');
  const record = fc.record({ text: fc.string({ unit: 'binary' }).map((text) => `x${text}`), other: fc.jsonValue() });
  const law = fc.asyncProperty(form, fc.array(record, { minLength: 1, maxLength: 8 }), async (form, records) => {
    const each = (indent: number) => records.map((one) => JSON.stringify(one, null, indent)).join('\n');
    const whole = (indent: number) => JSON.stringify(records, null, indent);
    const mixed = records.map((one, k) => JSON.stringify(one, null, k % 3)).join('\n');
    const content = { lines: each(0), list: whole(0), 'pretty list': whole(2), pretty: each(1), mixed }[form];
    expect(texts(await read(form === 'lines' ? 'x.jsonl' : 'x.json', content))).toEqual(
      records.map(({ text }) => text),
    );
  });
  await fc.assert(law, { numRuns: Number(process.env.RUNS ?? 60) });
});
