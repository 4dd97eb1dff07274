import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readCorpus } from './corpus.js';
import { findFiles, findInstalledSources } from './find_files.js';
import { folderWith } from './testing/folder.js';
import { atOnce } from './testing/at_once.js';

const whole = { max_bytes: 1e9, field: 'text' };
const paths = (items: readonly { path: string }[]) => items.map(({ path }) => path);

describe('finding files', () => {
  test('a folder gives its text files in order of their paths, without hidden folders and node_modules', () => {
    const root = folderWith({
      'c/b.md': 'b',
      'c/a.txt': 'a',
      'c/B.ts': 'B',
      'c/x.png': 'x',
      'c/.git/z.txt': 'z',
      'c/node_modules/m/m.js': 'm',
      'c/d/é.jsonl': '{"text":"e"}',
    });
    expect(paths(findFiles(['c'], root))).toEqual(['c/B.ts', 'c/a.txt', 'c/b.md', 'c/d/é.jsonl']);
  });

  test('globs and names may overlap: each file counts once; a path does not say where the corpus lies', () => {
    const files = { 'c/d/a.md': 'a', 'c/b.dat': 'b', 'c/e.md': 'e' };
    const [here, there] = [folderWith(files), folderWith(files)];
    const found = findFiles(['c/**/*.md', 'c/d/a.md', 'c/b.dat'], here);
    expect(paths(found)).toEqual(['b.dat', 'c/d/a.md', 'c/e.md']);
    expect(paths(findFiles([`${there}/c/**/*.md`, 'c/b.dat'], there))).toEqual(['b.dat', 'c/d/a.md', 'c/e.md']);
  });

  test('where a corpus lies does not decide what is found in it', () => {
    const files = { 'c/a.md': 'a', 'c/.git/z.md': 'z', 'c/node_modules/m/m.md': 'm' };
    const root = folderWith(
      Object.fromEntries(Object.entries(files).map(([k, v]) => [`.hidden/node_modules/x/${k}`, v])),
    );
    const there = join(root, '.hidden/node_modules/x');
    for (const pattern of [`${there}/c`, `${there}/c/**/*.md`]) {
      expect(paths(findFiles([pattern], root)), pattern).toEqual(['c/a.md']);
    }
  });

  test('links to folders are not followed: a circle ends', () => {
    const root = folderWith({ 'c/a.md': 'a' });
    symlinkSync(join(root, 'c'), join(root, 'c/loop'));
    expect(paths(findFiles(['c'], root))).toEqual(['c/a.md']);
  });

  test('what names nothing is refused with the nearest name', () => {
    const root = folderWith({ 'corpus/a.md': 'a' });
    expect(() => findFiles(['corpsu'], root)).toThrow(/data\/not-found[\s\S]*did you mean 'corpus'/);
    expect(() => findFiles(['corpus/*.txt'], root)).toThrow('data/not-found');
  });

  test('installed sources leave out packages for one platform, from the nearest node_modules upwards', () => {
    const root = folderWith({
      'node_modules/a/index.d.ts': 'a',
      'node_modules/a/node_modules/b/src/b.mts': 'b',
      'node_modules/a/a.js': 'js',
      'node_modules/.cache/x.ts': 'x',
      'node_modules/binary/package.json': '{"name": "binary", "cpu": ["x64"]}',
      'node_modules/binary/index.d.ts': 'x',
      'node_modules/@s/c/package.json': '{"name": "c", "exports": {"os": "./os.js"}}',
      'node_modules/@s/c/c.d.cts': 'c',
      'deep/er/x.txt': '',
    });
    const found = ['node_modules/@s/c/c.d.cts', 'node_modules/a/index.d.ts', 'node_modules/a/node_modules/b/src/b.mts'];
    expect(paths(findInstalledSources(join(root, 'deep/er')))).toEqual(found);
    expect(() => findInstalledSources('/')).toThrow('data/no-installed-sources');
  });
});

describe('reading documents', () => {
  test('text comes without its byte-order mark and is measured in bytes', () => {
    const root = folderWith({ 'a.md': '\uFEFFgrün\n', 'b.md': ' \n' });
    const { documents, skipped, bytes } = atOnce(readCorpus(findFiles(['.'], root), whole));
    expect(documents.map(({ text, bytes }) => [text, bytes])).toEqual([['grün\n', 6]]);
    expect(bytes).toBe(6);
    expect(skipped.map(({ reason }) => reason)).toEqual(['empty']);
  });

  test('binary and minified files of a folder are skipped and listed; prose with long lines is read', () => {
    const long = 'word '.repeat(2000);
    const root = folderWith({
      'c/zero.txt': new Uint8Array([65, 0, 66]),
      'c/latin1.txt': new Uint8Array([0x66, 0xfc, 0x72]),
      'c/app.min.js': long,
      'c/novel.txt': long,
      'c/app.js': 'let a;\n'.repeat(1000),
    });
    const { documents, skipped } = atOnce(readCorpus(findFiles(['c'], root), whole));
    expect(paths(documents)).toEqual(['c/app.js', 'c/novel.txt']);
    expect(skipped).toEqual([
      { path: 'c/app.min.js', reason: 'minified' },
      { path: 'c/latin1.txt', reason: 'binary' },
      { path: 'c/zero.txt', reason: 'binary' },
    ]);
  });

  test('a file named by itself is read where it is minified, and refused where it is no text', () => {
    const root = folderWith({ 'a.min.js': 'x '.repeat(5000), 'b.txt': new Uint8Array([0xff, 0xfe, 0x41]) });
    expect(atOnce(readCorpus(findFiles(['a.min.js'], root), whole)).documents).toHaveLength(1);
    expect(() => atOnce(readCorpus(findFiles(['b.txt'], root), whole))).toThrow(/data\/not-text[\s\S]*b\.txt/);
  });

  test('each line of a .jsonl file is a document; a bad line is refused by number', () => {
    const root = folderWith({
      'a.jsonl': '{"text":"one"}\n\n{"text":"two\\n"}\n',
      'b.jsonl': '{"text":"one"}\n{"body":"two"}\n',
    });
    const { documents } = atOnce(readCorpus(findFiles(['a.jsonl'], root), whole));
    expect(documents.map(({ path, text }) => [path, text])).toEqual([
      ['a.jsonl:1', 'one'],
      ['a.jsonl:3', 'two\n'],
    ]);
    expect(() => atOnce(readCorpus(findFiles(['b.jsonl'], root), whole))).toThrow(/bad-json-line[\s\S]*b\.jsonl:2/);
    expect(atOnce(readCorpus(findFiles(['b.jsonl'], root).slice(0, 0), whole)).documents).toEqual([]);
  });

  test('under a size limit files are chosen whatever their order, and the last is cut at a line', () => {
    const files = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`c/${i}.txt`, `line ${i}\n`.repeat(10)]));
    const found = findFiles(['c'], folderWith(files));
    const limited = atOnce(readCorpus(found, { ...whole, max_bytes: 250 }));
    expect(limited.bytes).toBe(70 * 3 + 35);
    expect(limited.skipped.map(({ reason }) => reason)).toEqual(Array(6).fill('over the size limit'));
    expect(paths(atOnce(readCorpus([...found].reverse(), { ...whole, max_bytes: 250 })).documents).sort()).toEqual(
      paths(limited.documents),
    );
  });

  test('a file that disappeared is an error that names it', () => {
    const root = folderWith({ 'a.txt': 'a' });
    const [file] = findFiles(['a.txt'], root);
    expect(() => atOnce(readCorpus([{ ...file, file: join(root, 'gone.txt') }], whole))).toThrow(
      /data\/unreadable[\s\S]*gone\.txt/,
    );
  });
});
