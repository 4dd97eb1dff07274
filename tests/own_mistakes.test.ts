/** The ordinary mistakes in a model of one's own: each is refused by a diagnostic, at the line of the file as its author wrote it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import type { DiagnosticError } from '../src/ir/diagnostic.js';
import { explainTarget } from '../src/train/explain_target.js';

const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-mistakes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const flotilla = fileURLToPath(new URL('../src/index.ts', import.meta.url));
let files = 0;

/** A model in TypeScript whose types take lines that nothing of what runs has; `at` marks the line that is meant. */
function modelFile({ body = 'return this.head.forward(x);', fields = '', method = 'forward' }): {
  readonly file: string;
  readonly line: number;
} {
  const file = path.join(folder, `${files++}.mts`);
  const text = `import { nn, type Tensor } from ${JSON.stringify(flotilla)};

/** Types are gone when it runs. */
interface Unused {
  readonly one: number;
  readonly two: number;
}

class Mine extends nn.LanguageModel {
  embedding = new nn.Embedding({ by: 'vocab', count: 270, dim: 6 });
  head = new nn.Linear({ in: { dim: 6 }, out: { vocab: 270 }, bias: false });
  ${fields}

  ${method}(tokens: Tensor): Tensor {
    const x: any = this.embedding.forward(tokens);
    ${body}
  }
}
const options: Unused | object = { context: 8, vocab: 270 };
export const model = new Mine(options as never);
export default { model, data: { tokenizer: { vocab: 270 } }, device: 'cpu', ranks: 1 };
`;
  writeFileSync(file, text);
  const lines = text.split('\n');
  const marked = lines.findIndex((line) => line.includes('/* at */'));
  return { file, line: (marked < 0 ? lines.findIndex((line) => line.includes(body)) : marked) + 1 };
}

async function refusalOf(file: string): Promise<DiagnosticError> {
  return explainTarget(file).then(
    () => expect.fail('it is accepted'),
    (error: unknown) => error as DiagnosticError,
  );
}

const inLine: readonly (readonly [string, string, RegExp, { body?: string; fields?: string }])[] = [
  [
    'an op as a method',
    'nn/model-fails',
    /x\.gelu is not a function[\s\S]*\.apply\('gelu'\)/,
    { body: 'return this.head.forward(x.gelu());' },
  ],
  [
    'an op as a method in camel case',
    'nn/model-fails',
    /layerNorm[\s\S]*\.apply\('layer_norm'\)/,
    { body: 'return x.layerNorm();' },
  ],
  ['a misspelt method', 'nn/model-fails', /the method 'square'/, { body: 'return this.head.forward(x.sqare());' }],
  ['what is not there', 'nn/model-fails', /undefined/, { body: 'return this.head.forward(x.add(undefined));' }],
  ['its own error', 'nn/model-fails', /not yet/, { body: "throw new Error('not yet');" }],
  ['a field that is not there', 'nn/model-fails', /undefined/, { body: 'return (this as any).tail.forward(x);' }],
  [
    'a linear layer over another factor',
    'nn/missing-factor',
    /Linear works over the factor 'dimm'[\s\S]*\[microbatch batch sequence dim\][\s\S]*nearest is 'dim'/,
    {
      body: 'return this.head.forward(this.own.forward(x));',
      fields: 'own = new nn.Linear({ in: { dimm: 6 }, out: { dim: 6 } });',
    },
  ],
  ...['new nn.LayerNorm({ dim: 6 })', 'new nn.RMSNorm({ dim: 6 })', 'new nn.MLP({ dim: 6, hidden: 8 })'].map(
    (layer) =>
      [
        layer,
        'nn/missing-factor',
        /the factor 'dim'[\s\S]*nearest is 'dimm'/,
        { body: 'return this.own.forward(x.rename({ dim: "dimm" }));', fields: `own = ${layer};` },
      ] as const,
  ),
  [
    'attention of one token',
    'nn/missing-factor',
    /Attention works over the factor 'sequence'/,
    {
      body: "return this.own.forward(x.sum('sequence'));",
      fields: 'own = new nn.Attention({ dim: 6, heads: 2 });',
    },
  ],
  [
    'a mixture without a batch',
    'nn/missing-factor',
    /Mixture works over the factor 'batch'/,
    {
      body: "return this.own.forward(x.sum('batch')).y;",
      fields: 'own = new nn.Mixture({ dim: 6, hidden: 4, experts: 2, choices: 1 });',
    },
  ],
  [
    'a mixture of more than tokens',
    'nn/unexpected-factor',
    /a factor 'side'/,
    {
      body: "return this.own.forward(x.stack([x], 'side', [...x.names, 'side'])).y;",
      fields: 'own = new nn.Mixture({ dim: 6, hidden: 4, experts: 2, choices: 1 });',
    },
  ],
];

describe('at the line that makes it', () => {
  test.each(inLine)('%s', async (_, code, message, mistake) => {
    const { file, line } = modelFile(mistake);
    const error = await refusalOf(file);
    expect(error.code, error.message).toBe(code);
    expect(error.message).toMatch(message);
    const told = error.diagnostic.where?.map(({ at }) => at.replace(/:\d+$/, ''));
    expect(told).toContain(`${file}:${line}`);
  });
});

test.each([
  ['a forward that returns nothing', 'nn/wrong-result', /forward of Mine gives nothing/, { body: 'x.exp();' }],
  ['a forward that is async', 'nn/wrong-result', /gives a promise[\s\S]*without async/, { method: 'async forward' }],
  ['a forward that returns a number', 'nn/wrong-result', /gives 3/, { body: 'return 3 as any;' }],
  ['a model without forward', 'nn/no-forward', /Mine has no method forward/, { method: 'foward' }],
  [
    'a loss that is one tensor',
    'nn/wrong-result',
    /loss of Mine gives an object of Tensor[\s\S]*lossSum/,
    { fields: "loss(tokens: any): any { return tokens.cast('f32').sum('batch'); }" },
  ],
  [
    'a weight shared under other names',
    'nn/shared-weight-differs',
    /\[vocab=270 dim=6\][\s\S]*\[vocab=270 hidden=6\]/,
    {
      fields: 'own = new nn.Linear({ in: { hidden: 6 }, out: { vocab: 270 }, weight: this.embedding.weight });',
    },
  ],
])('%s', async (_, code, message, mistake) => {
  const error = await refusalOf(modelFile(mistake).file);
  expect(error.code, error.message).toBe(code);
  expect(error.message).toMatch(message);
});

test('a file that fails while it is run is told at its line', async () => {
  const { file, line } = modelFile({ fields: 'own = /* at */ (this as any).nothing.of;' });
  const error = await refusalOf(file);
  expect(error.code).toBe('config/unreadable');
  expect(error.message).toContain(`${file}:${line}:`);
});
