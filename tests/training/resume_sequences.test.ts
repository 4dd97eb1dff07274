/**
 * Random histories of a run: trained, stopped, changed (batch, plan, directory, text, what is asked for) and resumed. Its losses must be
 * those of a serial run that nothing interrupts and that reads the order, sample after sample, by itself; its counters what was read;
 * and what makes it another run must be refused without a byte changed.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, expect, test } from 'vitest';
import { permute } from '../../src/data/order.js';
import { TokenFile } from '../../src/data/token_file.js';
import type { DiagnosticError } from '../../src/ir/diagnostic.js';
import { folderBytes } from './folder_bytes.js';
import { SerialRun } from './serial_run.js';
import { onReference, Workplace } from './tiny_run.js';

const work = new Workplace(onReference);
const home = process.cwd();
afterEach(() => process.chdir(home));
afterAll(() => work.remove());

const model = { family: 'gpt', layers: 2, dim: 8, heads: 2, context: 8, vocab: 260 } as const;
const { context } = model;
const tokenizer = { vocab: model.vocab };
const optimizer = { lr: 1e-2, warmup_steps: 2, decay_steps: 12, weight_decay: 0.1 } as const;

const plans = {
  serial: { data_parallel_size: 1 },
  data: { data_parallel_size: 2 },
  tensor: { data_parallel_size: 1, tensor_parallel_size: 2 },
  pipeline: { data_parallel_size: 1, pipeline_parallel_size: 2 },
  zero: { data_parallel_size: 2, zero_stage: 1 },
  zero_2: { data_parallel_size: 2, zero_stage: 2 },
  zero_3: { data_parallel_size: 2, zero_stage: 3 },
};

/** What is asked for before a resume, and must be refused. */
const refusals = {
  'model.heads=4': 'run/model-differs',
  'model.dropout=0.5': 'run/model-differs',
  'model.context=4': 'run/data-differs',
  'data.validation_fraction=0.3': 'run/data-differs',
  'data.seed=3': 'run/data-differs',
  'batch.sequences=600': 'data/shorter-than-one-batch',
} as const;

/** A change of the text between two sessions. */
const edits = {
  none: () => {},
  edited: (folder: string) => writeText(folder, '1.txt', 'other words than there were\n'),
  added: (folder: string) => writeText(folder, 'new.txt', 'words that nobody has read\n'),
  gone: (folder: string) => rmSync(folder, { recursive: true, force: true }),
};

/** Also where the whole folder has gone before. */
function writeText(folder: string, name: string, line: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, name), line.repeat(9));
}

const anySession = fc
  .record({
    steps: fc.integer({ min: 1, max: 3 }),
    microbatch: fc.integer({ min: 1, max: 3 }),
    microbatches: fc.constantFrom(2, 1, 4),
    plan: fc.constantFrom(...(Object.keys(plans) as (keyof typeof plans)[])),
    elsewhere: fc.boolean(),
    edit: fc.constantFrom(...(Object.keys(edits) as (keyof typeof edits)[])),
    asked: fc.option(fc.constantFrom(...(Object.keys(refusals) as (keyof typeof refusals)[]))),
  })
  .map(({ microbatch, microbatches, ...session }) => ({
    ...session,
    microbatch,
    sequences: microbatch * microbatches,
  }));

let runs = 0;

test('whatever happens between its sessions, a run is the serial run that reads the same samples', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anySession, { minLength: 2, maxLength: 4 }), async ([first, ...later]) => {
      const name = `history ${runs++}`;
      const text = work.file(name, 'text');
      mkdirSync(text, { recursive: true });
      // An epoch is some forty sequences: a few steps of the largest batch.
      for (let i = 0; i < 3; i++) {
        writeFileSync(path.join(text, `${i}.txt`), readFileSync(work.file('corpus', `${i}.txt`)).subarray(0, 160));
      }
      process.chdir(work.file(name));
      const batch = ({ sequences, microbatch }: typeof first) => ({ sequences, microbatch });
      await work.train(name, {
        model,
        optimizer,
        steps: first.steps,
        batch: batch(first),
        plan: plans[first.plan],
        ranks: null,
        checkpoint: { every_steps: 1, keep: 1 },
        data: { paths: ['text'], tokenizer },
      });
      let done = first.steps;
      let samples = first.steps * first.sequences;
      for (const session of later) {
        mkdirSync(work.file(name, 'elsewhere', 'text'), { recursive: true });
        process.chdir(session.elsewhere ? work.file(name, 'elsewhere') : home);
        edits[session.edit](text);
        if (session.asked !== null) await expectRefused(name, done, session.asked);
        done += session.steps;
        samples += session.steps * session.sequences;
        const { summary } = await work.resume(name, [
          `steps=${done}`,
          `batch=${JSON.stringify(batch(session))}`,
          `plan=${JSON.stringify(plans[session.plan])}`,
        ]);
        expect(summary).toMatchObject({ steps: done, tokens: samples * context });
        const manifest = JSON.parse(readFileSync(path.join(work.checkpoint(name, done), 'manifest.json'), 'utf8'));
        expect(manifest).toMatchObject({ step: done, samples_seen: samples, tokens_seen: samples * context });
      }
      const serial = await serialLosses(name, [first, ...later]);
      const losses = work.losses(name);
      expect(losses).toHaveLength(serial.length);
      losses.forEach((loss, step) => expect(Math.abs(loss - serial[step])).toBeLessThan(1e-5 * serial[step]));
    }),
    { numRuns: Number(process.env.RUNS ?? 3) },
  );
}, 600_000);

async function expectRefused(name: string, done: number, asked: keyof typeof refusals): Promise<void> {
  const before = folderBytes(work.file('runs', name));
  const error = await work.resume(name, [`steps=${done + 1}`, asked]).catch((e: unknown) => e as DiagnosticError);
  // Text that is gone can no longer be told from what is asked for.
  const expected = [refusals[asked], ...(asked.startsWith('data.validation') ? ['data/not-found'] : [])];
  expect(expected).toContain((error as DiagnosticError).code);
  expect(folderBytes(work.file('runs', name))).toEqual(before);
}

/** Losses of all steps, read straight from the run's tokens: epoch after epoch, each a permutation. */
async function serialLosses(name: string, sessions: readonly { steps: number; sequences: number }[]) {
  const record = JSON.parse(readFileSync(work.file('runs', name, 'run.json'), 'utf8')) as { data: { folder: string } };
  const file = TokenFile.open(path.join(record.data.folder, 'train'));
  const sequences = Math.floor((file.tokens - 1) / context);
  const order = (sample: number) => permute(sample % sequences, sequences, 0, Math.floor(sample / sequences));
  const run = new SerialRun({ model, optimizer, data: { tokenizer } });
  const losses: number[] = [];
  let next = 0;
  try {
    for (const session of sessions) {
      for (let k = 0; k < session.steps; k++, next += session.sequences) {
        const rows = Array.from({ length: session.sequences }, (_, i) =>
          file.read(order(next + i) * context, context + 1),
        );
        losses.push(await run.step(rows));
      }
    }
  } finally {
    file.close();
  }
  return losses;
}
