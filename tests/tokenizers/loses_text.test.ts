/** Of which tokenizers it is said that their bits a byte do not compare. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { lostText } from '../../src/data/loses_text.js';
import { loadTokenizer } from '../../src/data/tokenizer.js';
import { Workplace } from '../training/tiny_run.js';

const folder = fileURLToPath(new URL('fixtures', import.meta.url));
const text = "  Indented: The river runs below the mill, isn't it?\n\n  Two  spaces, three   more.\n";

/** By what they are made of: bytes, or pieces with all spaces and a byte for what they do not know, lose nothing. */
const keeps = [
  'deepseek',
  'falcon',
  'gemma',
  'gpt2',
  'llama2',
  'llama3',
  'mistral',
  'neox',
  'qwen2',
  'roberta',
  'whisper',
];
const loses = ['albert', 'bert', 'bert_cased', 'clip', 't5', 'word_level'];

test.each([...keeps, ...loses])('%s', (name) => {
  expect(readdirSync(folder)).toContain(`${name}.json`);
  const lost = lostText(loadTokenizer(`${folder}/${name}.json`), ['short', text]);
  expect(lost === null, JSON.stringify(lost)).toBe(keeps.includes(name));
  if (lost === null) return;
  expect(['short', text].join('\n')).toContain(lost.given);
  expect(lost.back).not.toBe(lost.given);
});

const work = new Workplace();
afterAll(() => work.remove());

test.each(['first', 'prepared before'])('a run says so once, and in its summary: %s', async (name) => {
  const data = { tokenizer: { file: `${folder}/albert.json` } };
  const { events, summary } = await work.train(name, { steps: 1, data });
  const told = events.flatMap((event) => (event.kind === 'warning' ? [event.message] : []));
  expect(told.filter((message) => message.startsWith('the tokenizer loses text ("'))).toHaveLength(1);
  expect(summary.keepsText).toBe(false);
});
