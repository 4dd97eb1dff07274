/** What a model of one's own cannot say is refused while it is traced: with the line that said it, and what to write instead. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { nn, type Tensor } from '../src/index.js';
import type { DiagnosticError } from '../src/ir/diagnostic.js';
import type { Attributes } from '../src/ir/graph.js';
import { GPT } from '../src/nn/models/index.js';
import { describeParameters, traceModel } from '../src/nn/trace.js';
import { ops } from '../src/ops/index.js';
import { adamw } from '../src/optim/options.js';
import { describeModel } from '../src/plan/describe_model.js';
import { planOfSizes } from '../src/plan/parallel_sizes.js';
import { compileTraining } from '../src/compile/compile.js';

const sizes = { context: 4, vocab: 7 };
const shape = { batch: 2, sequence: 4 };

/** An embedding, what the test does with it, and a head. */
class Own extends nn.LanguageModel<nn.LanguageModelOptions & { middle: (x: Tensor) => Tensor }> {
  embedding = new nn.Embedding({ by: 'vocab', count: this.options.vocab, dim: 6 });
  head = new nn.Linear({ in: { dim: 6 }, out: { vocab: this.options.vocab }, bias: false });
  forward(tokens: Tensor): Tensor {
    return this.head.forward(this.options.middle(this.embedding.forward(tokens)));
  }
}

function refusal(body: () => unknown): DiagnosticError {
  try {
    body();
  } catch (error) {
    return error as DiagnosticError;
  }
  throw new Error('accepted');
}

const traced = (middle: (x: Tensor) => Tensor) => () => traceModel(new Own({ ...sizes, middle }), shape);

describe('a model that says what an op does not know', () => {
  const wrong: readonly (readonly [string, string, RegExp, string, (x: Tensor) => Tensor])[] = [
    [
      'a wrong attribute',
      'ir/unknown-attribute',
      /roll has no attribute 'shift'/,
      'by',
      (x) => roll(x, { factor: 'dim', shift: 1 }),
    ],
    [
      'a misspelt attribute',
      'ir/unknown-attribute',
      /softmax has no attribute 'leters'/,
      "'letters'",
      (x) => x.apply('softmax', [], { leters: ['v=dim'] }),
    ],
    [
      'an attribute of an op that takes none',
      'ir/unknown-attribute',
      /exp takes none/,
      "'base'",
      (x) => x.apply('exp', [], { base: 2 }),
    ],
    [
      'an attribute that is missing',
      'ir/wrong-attribute',
      /'by' to be a whole number, and it is not given/,
      'whole',
      (x) => roll(x, { factor: 'dim' }),
    ],
    [
      'an attribute of another kind',
      'ir/wrong-attribute',
      /'by' to be a whole number, and it is 0.5/,
      'whole',
      (x) => roll(x, { factor: 'dim', by: 0.5 }),
    ],
    [
      'a rate of one',
      'ir/wrong-attribute',
      /'eps' to be a number of at least 0, and it is -1/,
      'least',
      (x) => x.apply('rms_norm', [x.constant(1).einsum([], [])], { eps: -1 }),
    ],
    [
      'a letter that the op lacks',
      'ir/unknown-letter',
      /no letter 'x'/,
      'bind',
      (x) => x.apply('softmax', [], { letters: ['x=dim'] }),
    ],
    ['an op that is not there', 'ir/unknown-op', /no op named 'sotfmax'/, "'softmax'", (x) => x.apply('sotfmax')],
    [
      'more choices than there are',
      'ir/attribute-out-of-range',
      /k = 9/,
      '1 to 6',
      (x) => x.add(x.apply('topk', [], { factor: 'dim', k: 9 }).sum('k').cast('f32')),
    ],
    [
      'a factor twice in one tensor',
      'ir/operand-repeats-factor',
      /'dim' twice/,
      'rename',
      (x) => x.rename({ sequence: 'dim' }).exp(),
    ],
    [
      'ids that have the factor they address',
      'ir/addressed-factor',
      /addressed by 'dim'/,
      'by',
      (x) => x.apply('gather', [x.builder.iota({ name: 'dim', size: 6 }, 'i32')], { by: ['dim'], to: ['batch'] }),
    ],
    [
      'logarithms of integers',
      'ir/wrong-dtype',
      /log wants its operand 'x' to be float, and it is i32/,
      'cast',
      (x) => x.cast('i32').log(),
    ],
    ['half of an integer', 'ir/wrong-attribute', /a whole number for i32/, 'whole', (x) => x.cast('i32').mul(0.5)],
    [
      'sums of truths',
      'ir/mask-not-number',
      /sum is given a tensor of bool, and takes numbers/,
      "a.cast('f32').sum(…), how many hold",
      (x) => x.ge(x.constant(0)).sum('dim'),
    ],
  ];

  test.each<[string, string, (mask: Tensor) => Tensor]>([
    ['mul is given two tensors of bool', "a.cast('f32').mul(b), 1 where both hold", (mask) => mask.mul(mask)],
    ['mul is given a tensor of bool', "a.cast('f32').mul(…)", (mask) => mask.mul(2)],
    ['add is given two tensors of bool', "a.cast('f32').add(b)", (mask) => mask.add(mask)],
    ['sub is given a tensor of bool', "a.cast('f32').sub(…)", (mask) => mask.sub(1)],
    ['div is given two tensors of bool', "a.cast('f32').div(b)", (mask) => mask.div(mask)],
    ['square is given a tensor of bool', "a.cast('f32').square(…)", (mask) => mask.square()],
    ['mean is given a tensor of bool', 'the share that holds', (mask) => mask.mean('dim')],
  ])('what is no arithmetic of masks is told in the words of the call: %s', (what, fix, middle) => {
    const { code, message } = refusal(traced((x) => middle(x.ge(0))));
    expect(code).toBe('ir/mask-not-number');
    expect(message).toContain(what);
    expect(message).toContain(fix);
  });

  test('what it says to write works', () => {
    const both = (x: Tensor) => x.mul(x.ge(0).cast('f32').mul(x.lt(1))).mul(x.ge(0));
    expect(() => traced(both)()).not.toThrow();
  });

  test.each(wrong)('%s', (_, code, text, fix, middle) => {
    const { code: got, message, diagnostic } = refusal(traced(middle));
    expect(got).toBe(code);
    expect(message).toMatch(text);
    expect(diagnostic.fix + (diagnostic.why ?? '')).toContain(fix);
    expect(diagnostic.where?.at(-1)?.at).toMatch(/^\/.*\/tests\/refused_models\.test\.ts:\d+:\d+$/);
  });

  test('the line is that of the call', () => {
    const { diagnostic } = refusal(traced((x) => roll(x, { fctor: 'dim', by: 1 })));
    const line = Number(diagnostic.where!.at(-1)!.at.split(':').at(-2));
    const text = readFileSync(fileURLToPath(import.meta.url), 'utf8').split('\n')[line - 1];
    expect(text).toContain("x.apply('roll'");
    expect(diagnostic.fix).toBe("write 'factor'");
  });
});

const roll = (x: Tensor, attributes: Attributes) => x.apply('roll', [], attributes);

describe('names of parameters', () => {
  const planFor = (model: nn.LanguageModel) =>
    planOfSizes({}, 1, describeModel(model), { sequences: 4, microbatch: 2 }, { compute: 'f32', master: 'f32' });
  const gpt = new GPT({ layers: 1, dim: 4, heads: 1, dropout: 0.1, ...sizes });
  const request = {
    model: gpt,
    plan: planFor(gpt),
    sequence: 4,
    registry: ops,
    target: 'cpu',
  } as const;

  /** A model whose parameter has this name. */
  const named = (name: string) => {
    const model = new Own({ ...sizes, middle: (x) => x.add(extra.tensor(x)) });
    const extra = new nn.Parameter({ dims: [{ dim: 6 }], init: nn.zeros });
    let holder: object = model;
    const parts = name.split('.');
    for (const part of parts.slice(0, -1)) {
      const next = new nn.Module({});
      Object.assign(holder, { [part]: next });
      holder = next;
    }
    Object.assign(holder, { [parts.at(-1)!]: extra });
    return model;
  };

  test.each(['step.weight', 'tokens', 'gradient.x', 'größe', 'w$1', 'bucket.0', 'a weight', 'x @1', 'a/b', '%0', ''])(
    "'%s' is one",
    (name) => {
      const model = named(name);
      expect(describeParameters(model).map((parameter) => parameter.name)).toContain(name);
      expect(
        compileTraining({ ...request, model, plan: planFor(model), optimizer: adamw({ lr: 1e-3 }) }).parameters.map(
          (p) => p.name,
        ),
      ).toContain(name);
    },
  );

  test.each(['loss', 'constructor'])("a field in place of the method '%s' is refused", (name) => {
    expect(refusal(() => traceModel(named(name), shape)).code).toBe('nn/reserved-name');
  });

  test('two of one name are refused', () => {
    const model = new Own({ ...sizes, middle: (x) => x });
    const parameter = () => new nn.Parameter({ dims: [], init: nn.ones });
    Object.assign(model, { 'gates.0': parameter(), gates: [parameter()] });
    expect(refusal(() => describeParameters(model)).code).toBe('nn/repeated-name');
  });
});

test('a size that was left out is refused by the parameter that it is of', () => {
  const options = { dim: 8 } as unknown as ConstructorParameters<typeof nn.SwiGLU>[0];
  const model = new Own({ ...sizes, middle: (x) => x });
  Object.assign(model, { mlp: new nn.SwiGLU(options) });
  const { code, message } = refusal(() => describeParameters(model));
  expect(code).toBe('nn/bad-size');
  expect(message).toContain('mlp.gate.weight was given hidden = undefined');
});
