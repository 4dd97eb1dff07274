import { existsSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect as connectTo, createServer, type AddressInfo, type Socket } from 'node:net';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { loadAddon, type AddonEngine } from './bridge.js';
import { NativeError } from './diagnostics.js';
import type { LaunchList, LoadedView, NativeLaunch } from './loaded_program.js';
import { testDevice } from './testing/device.js';
import { openRanks, readBytes } from './testing/ranks.js';
import { testOfRanks, testOnCpu } from './testing/tests_by_device.js';
import { collective, decode, encode, fill, view } from './testing/views.js';

const opened: AddonEngine[] = [];
afterEach(() => opened.splice(0).forEach((engine) => engine.close()));

function open(arenaBytes = 1 << 16, device = testDevice): AddonEngine {
  const engine = loadAddon().open({ device, threads: 1, arenaBytes });
  opened.push(engine);
  return engine;
}

const program = (...launches: NativeLaunch[]): LaunchList => ({ groups: [], launches });

async function failure(promise: Promise<unknown>): Promise<NativeError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(NativeError);
  return error as NativeError;
}

test('the addon says what it is built with', () => {
  const described = loadAddon().describe();
  expect(described.torch).toMatch(/^2\.\d+/);
  expect(existsSync(path.join(described.torchPath, 'lib', 'libtorch_cpu.so'))).toBe(true);
  expect(described.gpus === 0 || described.torchCuda !== null).toBe(true);
  expect(described.backends).toContain('gloo');
  expect(described.kernels).toEqual(expect.arrayContaining(['copy', 'fill']));
});

test('one OpenMP runtime is in the process: the torch wheel’s', async () => {
  await (await open(1 << 16, 'cpu').load(program(fill(view('f32', 0, 4096), 1)))).run();
  const maps = readFileSync('/proc/self/maps', 'utf8');
  const runtimes = new Set(
    maps
      .split('\n')
      .map((line) => /\/\S*lib(?:gomp|omp|iomp)\S*$/.exec(line)?.[0])
      .filter(Boolean),
  );
  expect(runtimes.size).toBe(1);
});

testOnCpu('windows')('two windows on the same bytes of the arena see each other, and what programs write', async () => {
  const engine = open();
  const first = new Float32Array(engine.memory(256, 64));
  const second = new Float32Array(engine.memory(256, 64));
  first[3] = 7;
  expect(second[3]).toBe(7);
  await (await engine.load(program(fill(view('f32', 256, 16), 2.5)))).run();
  expect([...first]).toEqual(new Array(16).fill(2.5));
  engine.close();
  expect(second[15]).toBe(2.5);
});

test('a fresh arena is zero', async () => {
  const bytes = await readBytes(open(1 << 20), 0, 1 << 20);
  expect(bytes.every((byte) => byte === 0)).toBe(true);
});

test('read and write copy bytes in the order of the queue', async () => {
  const engine = open();
  const written = Uint8Array.from({ length: 100 }, (_, i) => i);
  const read = new Uint8Array(100);
  const one = engine.write(1000, written);
  const two = engine.read(1000, read);
  await Promise.all([one, two]);
  expect(read).toEqual(written);
});

test('copy converts between dtypes and follows strides', async () => {
  const engine = open();
  const numbers = [1, -2.5, 3.14159, 65504, 1e-3, -0.1];
  await engine.write(0, encode('f32', numbers));
  const transposed: LoadedView = { offset: 0, dtype: 'f32', sizes: [3, 2], strides: [1, 3] };
  const repeated: LoadedView = { offset: 0, dtype: 'f32', sizes: [2, 3], strides: [0, 1] };
  await (
    await engine.load(
      program(
        { kind: 'copy', from: view('f32', 0, 6), to: view('bf16', 1024, 6), at: 't' },
        { kind: 'copy', from: transposed, to: view('f64', 2048, 3, 2), at: 't' },
        { kind: 'copy', from: repeated, to: view('i32', 4096, 2, 3), at: 't' },
      ),
    )
  ).run();
  expect(await readBytes(engine, 1024, 12)).toEqual(encode('bf16', numbers));
  const f32 = numbers.map(Math.fround);
  expect(decode('f64', await readBytes(engine, 2048, 48))).toEqual([f32[0], f32[3], f32[1], f32[4], f32[2], f32[5]]);
  expect(decode('i32', await readBytes(engine, 4096, 24))).toEqual([1, -2, 3, 1, -2, 3]);
});

test('infinities survive the way into a program', async () => {
  const engine = open();
  await (await engine.load(program(fill(view('f32', 0, 2), -Infinity), fill(view('f32', 8, 1), NaN)))).run();
  expect(decode('f32', await readBytes(engine, 0, 12))).toEqual([-Infinity, -Infinity, NaN]);
});

test('a traced step tells when each launch started and ended', async () => {
  const loaded = await open(1 << 22).load(program(fill(view('f32', 0, 1 << 20), 1), fill(view('f32', 0, 1 << 20), 2)));
  const { trace, launches, seconds } = await loaded.run({ trace: true });
  expect(launches).toBe(2);
  expect(trace).toHaveLength(6);
  const [start0, end0, , start1, end1] = trace!;
  expect([start0, end0, start1, end1, seconds]).toEqual(
    [start0, end0, start1, end1, seconds].toSorted((a, b) => a - b),
  );
  expect((await loaded.run()).trace).toBeNull();
});

test('what is wrong with a program is said with the launch and its place in the model', async () => {
  const engine = open();
  const cases: [NativeLaunch, string, RegExp][] = [
    [{ ...fill(view('f32', 0, 4), 1), kernel: 'softmux' }, 'engine/kernel-unknown', /no kernel 'softmux'/],
    [fill(view('f32', (1 << 16) - 8, 4), 1), 'engine/program-invalid', /outside the arena of 65536/],
    [fill(view('f32', 2, 4), 1), 'engine/program-invalid', /not aligned/],
    [fill({ ...view('f32', 0, 4), strides: [-1] }, 1), 'engine/program-invalid', /not negative/],
    [fill({ ...view('f32', 0, 4), dtype: 'f23' as 'f32' }, 1), 'engine/program-invalid', /dtype 'f23'/],
    [{ ...fill(view('f32', 0, 4), 1), attributes: {} }, 'engine/program-invalid', /takes one number, 'value'/],
    [
      collective('all_reduce', view('f32', 0, 4), view('f32', 0, 4)),
      'engine/program-invalid',
      /rendezvous\(\) before load/,
    ],
  ];
  for (const [launch, code, why] of cases) {
    const error = await failure(engine.load(program(launch)));
    expect(error.code).toBe(code);
    expect(error.diagnostic.why).toMatch(why);
  }
  const named = await failure(
    engine.load(
      program(fill(view('f32', 0, 4), 1), { ...fill(view('f32', 0, 4), 1), kernel: 'none', at: 'blocks.3.mlp' }),
    ),
  );
  expect(named).toMatchObject({ op: 'none', at: 'blocks.3.mlp', rank: null, group: null });
  expect(named.diagnostic.why).toMatch(/^launch 1: /);
});

test('collectives that contradict themselves are refused when loaded', async () => {
  const [engine] = await openRanks(1, 1 << 16);
  opened.push(engine);
  const a = view('f32', 0, 4);
  const b = view('f32', 1024, 4);
  const cases: [NativeLaunch, RegExp][] = [
    [collective('all_reduce', a, view('f32', 8, 4)), /overlap/],
    [collective('all_reduce', a, view('bf16', 1024, 4)), /dtype/],
    [collective('all_reduce', a, b, { reduction: null }), /reduction/],
    [collective('all_reduce', { ...a, sizes: [2, 2], strides: [1, 2] }, b), /not contiguous/],
    [collective('all_gather', a, b, { outputCounts: [3] }), /do not add up/],
    [collective('all_reduce', a, b, { group: 5 }), /group 5 is not in the program/],
  ];
  for (const [launch, why] of cases) {
    const error = await failure(engine.load({ groups: [{ id: 0, ranks: [0] }], launches: [launch] }));
    expect(error.code).toBe('engine/program-invalid');
    expect(error.diagnostic.why).toMatch(why);
  }
});

test('an engine refuses what comes out of turn', async () => {
  const engine = open(1 << 24);
  const loaded = await engine.load(program(...Array.from({ length: 20 }, () => fill(view('f32', 0, 1 << 22), 1))));
  const first = loaded.run();
  expect((await failure(loaded.run())).code).toBe('engine/program-running');
  expect(() => engine.close()).toThrow(/still working/);
  await first;
  engine.close();
  expect(() => engine.memory(0, 8)).toThrow(/closed/);
  expect((await failure(loaded.run())).code).toBe('engine/closed');
});

testOfRanks(2)(
  'abort ends a wait for a peer that never answers, soon, and meanwhile the event loop runs on',
  async () => {
    for (const stuck of [
      [collective('all_reduce', view('f32', 0, 4), view('f32', 0, 4), { event: 1 })],
      [{ kind: 'recv' as const, peer: 1, tag: 0, view: view('f32', 0, 4), event: 1, at: 'test.recv' }],
    ]) {
      const engines = await openRanks(2, 1 << 16);
      const groups = [{ id: 0, ranks: [0, 1] }];
      const [waiting] = await Promise.all([
        engines[0].load({ groups, launches: [...stuck, { kind: 'wait', event: 1, at: 'test.wait' }] }),
        engines[1].load({ groups, launches: [] }),
      ]);
      const run = failure(waiting.run());
      // The executor blocks; timers go on.
      for (let tick = 0; tick < 10; tick++) await new Promise((resolve) => setTimeout(resolve, 5));
      const start = performance.now();
      engines[0].abort('rank 1 has failed');
      const error = await run;
      expect(performance.now() - start).toBeLessThan(3000);
      expect(error.code).toBe('engine/aborted');
      expect(error.message).toContain('rank 1 has failed');
      expect(error).toMatchObject({ op: stuck[0].kind === 'recv' ? 'recv' : 'all_reduce', rank: 0 });
      expect((await failure(waiting.run())).code).toBe('engine/aborted');
      engines.forEach((engine) => engine.close());
    }
  },
);

test('the store passes values between ranks and counts', async () => {
  const engines = await openRanks(2, 64, { device: () => 'cpu' });
  opened.push(...engines);
  const awaited = engines[1].storeGet('greeting', 10);
  await engines[0].storeSet('greeting', 'hello');
  expect(new TextDecoder().decode(await awaited)).toBe('hello');
  expect(await engines[0].storeAdd('votes', 2)).toBe(2);
  expect(await engines[1].storeAdd('votes', 3)).toBe(5);
  const error = await failure(engines[0].storeGet('nobody writes this', 0.1));
  expect(error.code).toBe('engine/store-timeout');
});

test('a taken port is said to be taken', async () => {
  const addon = loadAddon();
  const meet = (engine: AddonEngine, port: number) =>
    engine.rendezvous({
      address: '127.0.0.1',
      port,
      rank: 0,
      worldSize: 1,
      hostStore: true,
      generation: '0',
      timeoutSeconds: 5,
      operationTimeoutSeconds: 5,
    });
  const [first, second] = [0, 1].map(() => addon.open({ device: 'cpu', threads: 1, arenaBytes: 64 }));
  opened.push(first, second);
  const port = await meet(first, 0);
  expect((await failure(meet(second, port))).code).toBe('engine/port-taken');
});

test('a store that is lost on the way to it is said to be, at whichever connection', async () => {
  const addon = loadAddon();
  const [server, client] = [0, 1].map(() => addon.open({ device: 'cpu', threads: 1, arenaBytes: 64 }));
  opened.push(server, client);
  const visit = { address: '127.0.0.1', worldSize: 2, generation: '0', storeOnly: true, operationTimeoutSeconds: 5 };
  const port = await server.rendezvous({ ...visit, port: 0, rank: 0, hostStore: true, timeoutSeconds: 5 });
  for (const answered of [0, 1]) {
    let seen = 0;
    const sockets: Socket[] = [];
    const way = createServer((socket) => {
      sockets.push(socket.on('error', () => {}));
      if (seen++ >= answered) return void socket.destroy();
      const on = connectTo(port, '127.0.0.1').on('error', () => {});
      sockets.push(on);
      socket.pipe(on).pipe(socket);
    });
    await once(way.listen(0, '127.0.0.1'), 'listening');
    const { port: through } = way.address() as AddressInfo;
    const error = await failure(
      client.rendezvous({ ...visit, port: through, rank: 1, hostStore: false, timeoutSeconds: 0.5 }),
    );
    expect(error.code).toBe('engine/rendezvous-failed');
    expect(seen).toBeGreaterThan(answered);
    sockets.forEach((socket) => socket.destroy());
    way.close();
  }
});

test('a rank that never comes is noticed', async () => {
  const engine = open(64);
  const error = await failure(
    engine.rendezvous({
      address: '127.0.0.1',
      port: 0,
      rank: 0,
      worldSize: 2,
      hostStore: true,
      generation: '0',
      timeoutSeconds: 1,
      operationTimeoutSeconds: 5,
    }),
  );
  expect(error.code).toBe('engine/rendezvous-failed');
});
