/** What is written to a terminal on which something stands. */
import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { lossyOutput } from './output.js';

class Stream extends EventEmitter {
  readonly written: string[] = [];
  readonly writableLength = 0;
  readonly isTTY: boolean;

  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }

  write(text: string | Uint8Array, ...rest: readonly unknown[]): boolean {
    this.written.push(typeof text === 'string' ? text : Buffer.from(text).toString(), ...rest.map(String));
    return false;
  }
}

test('other code is asked aside on each stream that is a terminal, and is not once it is let go', () => {
  const [out, error, file] = [new Stream(true), new Stream(true), new Stream(false)];
  const { write } = out;
  const ours = new EventEmitter();
  const output = lossyOutput(out, { streams: [out, error, file], process: ours });
  const asked: string[] = [];
  const release = output.onOthers((text, writeIt) => {
    asked.push(text);
    output.write('<');
    writeIt();
    output.write('>');
  });
  output.write('own');
  expect(out.write('one', 'utf8')).toBe(false);
  error.write(Buffer.from('two'));
  file.write('three');
  expect(asked).toEqual(['one', 'two']);
  expect(out.written).toEqual(['own', '<', 'one', 'utf8', '>', '<', '>']);
  expect(error.written).toEqual(['two']);
  expect(file.written).toEqual(['three']);
  release();
  expect(out.write).toBe(write);
  out.write('after');
  expect(asked).toHaveLength(2);

  let ended = 0;
  const forget = output.onEnd(() => ended++);
  ours.emit('exit');
  forget();
  ours.emit('exit');
  expect(ended).toBe(1);
});

test('who has put something before it in the meantime keeps that, and is asked aside no more', () => {
  const out = new Stream(true);
  const output = lossyOutput(out, { streams: [out], process: new EventEmitter() });
  const asked: string[] = [];
  const release = output.onOthers((text, writeIt) => {
    asked.push(text);
    writeIt();
  });
  const inner = out.write;
  const outer: Stream['write'] = (text) => inner.call(out, `(${String(text)})`);
  out.write = outer;
  release();
  expect(out.write).toBe(outer);
  out.write('x');
  expect([out.written, asked]).toEqual([['(x)'], []]);
});
