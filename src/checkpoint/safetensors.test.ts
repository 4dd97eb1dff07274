import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nodeDisk } from './disk.js';
import { memoryDisk } from './memory_disk.js';
import { openSafetensors, safetensorsBytes, writeSafetensors } from './safetensors.js';
import type { StoredDType, TensorInfo } from './tensor.js';
import { memorySource, storedDTypeBytes, tensorBytes } from './tensor.js';
import { patternBytes, patternSource } from './testing.js';

const anyTensors = fc.uniqueArray(
  fc.record({
    name: fc.oneof(fc.constantFrom('a', 'b.c', 'ü.weight', '"', '__proto__', 'toString'), fc.string({ minLength: 1 })),
    dtype: fc.constantFrom(...(Object.keys(storedDTypeBytes) as StoredDType[])),
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
  }),
  { selector: ({ name }) => name, maxLength: 6 },
);

test('what is written is read back, whole and in parts, from any tensors and any chunks', async () => {
  await fc.assert(
    fc.asyncProperty(anyTensors, fc.integer({ min: 1, max: 40 }), fc.nat(1000), async (tensors, chunkBytes, cut) => {
      const disk = memoryDisk();
      await disk.makeDirectory('/d');
      const sources = tensors.map((tensor) => patternSource(tensor, 3, chunkBytes));
      const written = await writeSafetensors(disk, '/d/x', sources, { format: 'pt', 'a"b': 'ü' });
      const file = await openSafetensors(disk, '/d/x');
      expect(file.metadata).toEqual({ format: 'pt', 'a"b': 'ü' });
      expect(new Set(file.tensors.keys())).toEqual(new Set(tensors.map(({ name }) => name)));
      expect(written.bytes).toBe(safetensorsBytes(tensors, { format: 'pt', 'a"b': 'ü' }));
      expect(await file.hashes()).toEqual({ sha256: written.sha256, tensors: written.tensors });
      for (const tensor of tensors) {
        const bytes = patternBytes(tensor, 3);
        expect(file.tensor(tensor.name)).toMatchObject({ dtype: tensor.dtype, shape: tensor.shape });
        expect(file.tensor(tensor.name).begin % storedDTypeBytes[tensor.dtype]).toBe(0);
        expect(await file.read(tensor.name)).toEqual(bytes);
        const begin = cut % (bytes.length + 1);
        expect(await file.read(tensor.name, begin)).toEqual(bytes.subarray(begin));

        const chunks: number[] = [];
        for await (const chunk of file.stream(tensor.name, chunkBytes)) chunks.push(...chunk);
        expect(chunks).toEqual([...bytes]);
      }
    }),
    { numRuns: 60 },
  );
});

/** A reader that shares nothing with ours: Python's json and struct. */
const reader = `
import json, struct, sys
with open(sys.argv[1], 'rb') as f: data = f.read()
n = struct.unpack('<Q', data[:8])[0]
assert n % 8 == 0
header = json.loads(data[8:8 + n])
meta = header.pop('__metadata__')
types = {'F32': 'f', 'F64': 'd', 'I64': 'q', 'BOOL': '?', 'BF16': 'H'}
out = {}
for name, e in header.items():
    begin, end = e['data_offsets']
    kind = types[e['dtype']]
    values = list(struct.unpack('<%d%s' % ((end - begin) // struct.calcsize('<' + kind), kind), data[8 + n + begin:8 + n + end]))
    if e['dtype'] == 'BF16': values = [struct.unpack('<f', struct.pack('<I', v << 16))[0] for v in values]
    out[name] = {'shape': e['shape'], 'values': values}
print(json.dumps({'meta': meta, 'tensors': out}))
`;

/** A writer of the same kind; its header is not padded, which the format allows. */
const writer = `
import json, struct, sys
header = json.dumps({'a': {'dtype': 'F32', 'shape': [2, 3], 'data_offsets': [0, 24]},
                     'b': {'dtype': 'I64', 'shape': [2], 'data_offsets': [24, 40]}}).encode()
with open(sys.argv[1], 'wb') as f:
    f.write(struct.pack('<Q', len(header)) + header)
    f.write(struct.pack('<6f', *[k / 4 for k in range(6)]) + struct.pack('<2q', -1, 2**40))
`;

test('Python reads our files and we read its', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-safetensors-'));
  try {
    const path = join(folder, 'ours.safetensors');
    await writeSafetensors(nodeDisk, path, [
      memorySource({ name: 'half', dtype: 'bf16', shape: [2] }, Uint16Array.of(0x3f80, 0xc000)),
      memorySource({ name: 'flags', dtype: 'bool', shape: [3] }, Uint8Array.of(1, 0, 1)),
      memorySource({ name: 'matrix', dtype: 'f32', shape: [2, 2] }, Float32Array.of(0.5, -2, 3, 1e-3)),
      memorySource({ name: 'count', dtype: 'i64', shape: [] }, BigInt64Array.of(-5n)),
      memorySource({ name: 'exact', dtype: 'f64', shape: [1] }, Float64Array.of(0.1)),
    ]);
    expect(JSON.parse(execFileSync('python3', ['-c', reader, path], { encoding: 'utf8' }))).toEqual({
      meta: { format: 'pt' },
      tensors: {
        half: { shape: [2], values: [1, -2] },
        flags: { shape: [3], values: [true, false, true] },
        matrix: { shape: [2, 2], values: [0.5, -2, 3, Math.fround(1e-3)] },
        count: { shape: [], values: [-5] },
        exact: { shape: [1], values: [0.1] },
      },
    });

    const theirs = join(folder, 'theirs.safetensors');
    execFileSync('python3', ['-c', writer, theirs]);
    const file = await openSafetensors(nodeDisk, theirs);
    const a = await file.read('a');
    expect(new Float32Array(a.buffer, a.byteOffset, 6)).toEqual(Float32Array.of(0, 0.25, 0.5, 0.75, 1, 1.25));
    const b = await file.read('b');
    expect(new BigInt64Array(b.buffer, b.byteOffset, 2)).toEqual(BigInt64Array.of(-1n, 2n ** 40n));
    await file.close();
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('tensors may be called like members of every object', async () => {
  const disk = memoryDisk();
  await disk.makeDirectory('/d');
  const tensors: TensorInfo[] = ['__proto__', 'constructor', '10', '9'].map((name) => ({
    name,
    dtype: 'u8',
    shape: [1],
  }));
  await writeSafetensors(
    disk,
    '/d/x',
    tensors.map((tensor) => patternSource(tensor, 1)),
  );
  const file = await openSafetensors(disk, '/d/x');
  for (const tensor of tensors) expect(await file.read(tensor.name)).toEqual(patternBytes(tensor, 1));
});

/** A file with this header over this many bytes of data. */
const fileOf = async (header: string, dataBytes: number, statedBytes?: bigint) => {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, statedBytes ?? BigInt(text.length), true);
  bytes.set(text, 8);
  const disk = memoryDisk();
  await disk.makeDirectory('/d');
  const file = await disk.create('/d/x');
  await file.write(bytes);
  return disk;
};

const entry = (begin: number, end: number, shape = [end - begin], dtype = 'U8') =>
  JSON.stringify({ dtype, shape, data_offsets: [begin, end] });

test.each([
  ['a header that the file cuts off', '{}', 0, 99n, /header should have 99 bytes, and the file ends after 2/],
  ['a header larger than the format allows', '{}', 0, 1n << 60n, /claims 1152921504606846976 bytes/],
  ['a header that is no JSON', '{"a":', 0, undefined, /not JSON/],
  ['a header that is no object', '[]', 0, undefined, /not with \{/],
  ['metadata that are no strings', '{"__metadata__":{"a":1}}', 0, undefined, /__metadata__/],
  ['an unknown dtype', `{"a":${entry(0, 4, [4], 'Q4')}}`, 4, undefined, /tensor 'a'.*"Q4"/s],
  ['a negative size', `{"a":${entry(0, 4, [-4])}}`, 4, undefined, /tensor 'a'.*\[-4\]/s],
  [
    'offsets that do not fit the shape',
    `{"a":${entry(0, 4, [5])}}`,
    4,
    undefined,
    /tensor 'a'.*hold 4.*u8\[5\] has 5/s,
  ],
  ['an overlap', `{"a":${entry(0, 4)},"b":${entry(3, 6)}}`, 6, undefined, /tensor 'b'.*overlap those of 'a'/s],
  ['a hole', `{"a":${entry(0, 4)},"b":${entry(5, 6)}}`, 6, undefined, /tensor 'b'.*1 bytes between it and 'a'/s],
  ['a truncated file', `{"a":${entry(0, 4)},"b":${entry(4, 9)}}`, 7, undefined, /tensor 'b'.*ends 2 bytes before/s],
  ['bytes after the end', `{"a":${entry(0, 4)}}`, 6, undefined, /2 bytes after 'a'/],
])('%s is refused', async (_, header, dataBytes, statedBytes, message) => {
  const disk = await fileOf(header, dataBytes, statedBytes);
  await expect(openSafetensors(disk, '/d/x')).rejects.toMatchObject({
    code: 'checkpoint/file-corrupt',
    message: expect.stringMatching(message),
  });
});

test('an empty file is refused', async () => {
  const disk = memoryDisk();
  await disk.makeDirectory('/d');
  await disk.create('/d/x');
  await expect(openSafetensors(disk, '/d/x')).rejects.toMatchObject({ code: 'checkpoint/file-corrupt' });
});

test('a source that gives too little or too much is refused', async () => {
  const disk = memoryDisk();
  await disk.makeDirectory('/d');
  for (const given of [3, 5]) {
    const source = memorySource({ name: 'w', dtype: 'f32', shape: [1] }, new Uint8Array(given));
    await expect(writeSafetensors(disk, '/d/x', [source])).rejects.toMatchObject({ code: 'checkpoint/source-bytes' });
  }
});

test('two tensors of one name are refused, and a name that is not there meets the nearest', async () => {
  const disk = memoryDisk();
  await disk.makeDirectory('/d');
  const source = patternSource({ name: 'blocks.0.weight', dtype: 'f32', shape: [2] }, 1);
  await expect(writeSafetensors(disk, '/d/x', [source, source])).rejects.toMatchObject({
    code: 'checkpoint/name-twice',
  });
  await writeSafetensors(disk, '/d/x', [source]);
  const file = await openSafetensors(disk, '/d/x');
  expect(() => file.tensor('blocks.0.wieght')).toThrow("did you mean 'blocks.0.weight'?");
  await expect(file.read('blocks.0.weight', 4, 9)).rejects.toThrow(RangeError);
  expect(tensorBytes(file.tensor('blocks.0.weight'))).toBe(8);
});
