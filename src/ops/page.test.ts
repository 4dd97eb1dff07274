import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ops } from './index.js';
import { opPage, printSignature } from './page.js';
import { parseSignature } from '../ir/signature.js';

const forward = [...ops.values()].filter((op) => !op.name.endsWith('_backward'));

test.each(forward.map((op) => [op.name, op] as const))(
  '%s has a page with name, summary, signature and example',
  (_, op) => {
    const page = opPage(op, ops)!;
    expect(page).toMatch(new RegExp(`^# ${op.name}\n\n`));
    expect(page).toContain(op.summary);
    for (const heading of ['Signature', 'Example', 'Backward']) expect(page).toContain(`\n## ${heading}\n`);
    for (const name of Object.keys(op.example!.gives)) expect(page).toContain(`\n${name}`);
  },
);

test('a signature prints as its file writes it', () => {
  const text = 'q: float[b s! d!], ids: int[] -> o: float[b s d], logsumexp: f32[b s]';
  expect(printSignature(parseSignature(text))).toBe(text);
});

test('a page is made of what the op states', () => {
  expect(opPage(ops.get('softmax')!, ops)).toBe(`# softmax

Softmax over the last letter: exponentials divided by their sum.

## Signature

\`\`\`
x: f32[t v!] -> y: f32[t v]
\`\`\`

Needs \`v\` whole; other factors may be split.

## Example

\`\`\`
x = [[0,1.09861]]
→
y = [[0.25,0.75]]
\`\`\`

## In a model

\`\`\`ts
import type { Tensor } from 'flotilla';

export const call = (x: Tensor<['t', 'v']>) => x.apply('softmax');
\`\`\`

## Meaning

Its decomposition, for the example: what kernels are checked against, and what runs where a plan splits a factor that the kernel needs whole.

\`\`\`
func @softmax(
  %x: value f64[t=1, v=2]
) {
  %0 = max(%x) {to=[t]} : f64[t=1]
  %1 = sub(%x, %0) : f64[t=1, v=2]
  %2 = exp(%1) : f64[t=1, v=2]
  %3 = einsum(%2) {to=[t]} : f64[t=1]
  %4 = div(%2, %3) : f64[t=1, v=2]
  return y=%4
}
\`\`\`

## Backward

\`softmax_backward\` keeps alive \`y\`, \`dY\`.

\`\`\`
y: f32[t v!], dY: f32[t v] -> dX: f32[t v]
\`\`\`
`);
});

test('docs/add-an-op.md shows silu.ts as it is', () => {
  const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
  expect(read('../../docs/add-an-op.md')).toContain(`\`\`\`ts\n${read('./silu.ts')}\`\`\`\n`);
});
