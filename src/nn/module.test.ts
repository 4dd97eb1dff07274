import { describe, expect, test } from 'vitest';
import { product } from '../ir/type.js';
import * as nn from './index.js';
import { GPT, Llama, Mixtral } from './models/index.js';
import { blockListOf, Module, Parameter, parametersOf } from './module.js';
import { zeros } from './init.js';

const count = (model: Module<unknown>) =>
  parametersOf(model).reduce((n, { parameter }) => n + product(parameter.dims.flat().map((f) => f.size)), 0);
const shapes = (model: Module<unknown>) =>
  Object.fromEntries(
    parametersOf(model).map(({ name, parameter }) => [
      name,
      parameter.dims.map((dim) => product(dim.map((f) => f.size))),
    ]),
  );

// Sizes and counts of the published checkpoints: openai-community/gpt2 and gpt2-medium.
test('GPT has as many parameters as GPT-2', () => {
  expect(count(new GPT({ layers: 12, dim: 768, heads: 12, context: 1024, vocab: 50257 }))).toBe(124_439_808);
  expect(count(new GPT({ layers: 24, dim: 1024, heads: 16, context: 1024, vocab: 50257 }))).toBe(354_823_168);
});

// Llama 2 7B, Llama 3 8B, Llama 3.2 1B (tied).
test('Llama has as many parameters as Llama', () => {
  const llama2 = { layers: 32, dim: 4096, heads: 32, hidden: 11008, vocab: 32000, context: 4096 };
  const llama3 = { layers: 32, dim: 4096, heads: 32, kv_heads: 8, hidden: 14336, vocab: 128256, context: 8192 };
  const small = {
    layers: 16,
    dim: 2048,
    heads: 32,
    kv_heads: 8,
    hidden: 8192,
    vocab: 128256,
    context: 8192,
    tied: true,
  };
  expect(count(new Llama(llama2))).toBe(6_738_415_616);
  expect(count(new Llama(llama3))).toBe(8_030_261_248);
  expect(count(new Llama(small))).toBe(1_235_814_400);
});

test('parameters are named by their fields and shaped as in PyTorch', () => {
  expect(shapes(new GPT({ layers: 1, dim: 4, heads: 2, context: 8, vocab: 11 }))).toEqual({
    'embedding.weight': [11, 4],
    'positions.weight': [8, 4],
    'blocks.0.norm1.weight': [4],
    'blocks.0.norm1.bias': [4],
    'blocks.0.attention.qkv.weight': [12, 4],
    'blocks.0.attention.qkv.bias': [12],
    'blocks.0.attention.output.weight': [4, 4],
    'blocks.0.attention.output.bias': [4],
    'blocks.0.norm2.weight': [4],
    'blocks.0.norm2.bias': [4],
    'blocks.0.mlp.up.weight': [16, 4],
    'blocks.0.mlp.up.bias': [16],
    'blocks.0.mlp.down.weight': [4, 16],
    'blocks.0.mlp.down.bias': [4],
    'norm.weight': [4],
    'norm.bias': [4],
  });
  expect(shapes(new Llama({ layers: 1, dim: 8, heads: 4, kv_heads: 2, hidden: 12, context: 8, vocab: 11 }))).toEqual({
    'embedding.weight': [11, 8],
    'blocks.0.norm1.weight': [8],
    'blocks.0.attention.q.weight': [8, 8],
    'blocks.0.attention.k.weight': [4, 8],
    'blocks.0.attention.v.weight': [4, 8],
    'blocks.0.attention.output.weight': [8, 8],
    'blocks.0.norm2.weight': [8],
    'blocks.0.mlp.gate.weight': [12, 8],
    'blocks.0.mlp.up.weight': [12, 8],
    'blocks.0.mlp.down.weight': [8, 12],
    'norm.weight': [8],
    'head.weight': [11, 8],
  });
});

test('a parameter reached twice is one parameter, under its first path', () => {
  const weight = new Parameter({ dims: [{ dim: 2 }], init: zeros });
  class Half extends Module {
    shared = weight;
  }
  class Whole extends Module {
    first = new Half({});
    rest = [new Half({}), new Half({})];
  }
  expect(parametersOf(new Whole({})).map((p) => p.name)).toEqual(['first.shared']);
});

test('the block list is the first array of modules', () => {
  expect(blockListOf(new GPT({ layers: 3, dim: 4, heads: 2, context: 8, vocab: 11 }))?.name).toBe('blocks');
});

test('heads that do not divide the width are refused', () => {
  expect(() => new GPT({ layers: 1, dim: 6, heads: 4, context: 8, vocab: 11 })).toThrow(
    'a width of 6 cannot be cut into 4 heads',
  );
});

test.each([
  [{ factor: 4 }, 'a factor of 4 without a way to scale'],
  [{ rope_type: 'yarn', factor: 4, beta_fast: 2, beta_slow: 2 }, 'a ramp that rises from 2 to 2 turns'],
  [{ rope_type: 'llama3', factor: 8, low_freq_factor: 5 }, 'a ramp that rises from 5 to 4 turns'],
] as const)('rotary positions scaled by %o are refused', (rope_scaling, problem) => {
  const sizes = { layers: 1, dim: 8, heads: 2, context: 8, vocab: 11 };
  expect(() => new Llama({ ...sizes, rope_scaling })).toThrow(problem);
  expect(() => new Mixtral({ ...sizes, rope_scaling })).toThrow(problem);
  new Llama({ ...sizes, rope_scaling: { rope_type: 'yarn', factor: 4 } });
});

describe('options that a layer does not have are refused, with what it has', () => {
  const dim = { dim: 8 };
  const layers: Readonly<Record<string, (more: object) => unknown>> = {
    Attention: (more) => new nn.Attention({ ...dim, heads: 2, ...more }),
    Dropout: (more) => new nn.Dropout({ rate: 0.1, ...more }),
    Embedding: (more) => new nn.Embedding({ by: 'vocab', count: 9, ...dim, ...more }),
    LayerNorm: (more) => new nn.LayerNorm({ ...dim, ...more }),
    Linear: (more) => new nn.Linear({ in: dim, out: { hidden: 4 }, ...more }),
    MLP: (more) => new nn.MLP({ ...dim, hidden: 4, ...more }),
    Mixture: (more) => new nn.Mixture({ ...dim, hidden: 4, experts: 2, choices: 1, ...more }),
    Parameter: (more) => new nn.Parameter({ dims: [dim], init: zeros, ...more }),
    RelativeBias: (more) => new nn.RelativeBias({ heads: 2, ...more }),
    RMSNorm: (more) => new nn.RMSNorm({ ...dim, ...more }),
    SwiGLU: (more) => new nn.SwiGLU({ ...dim, hidden: 4, ...more }),
  };

  test('of every layer that there is', () => {
    const bases = ['LanguageModel', 'Module'];
    const classes = Object.entries(nn).filter(([, value]) => /^class /.test(String(value)));
    expect(
      classes
        .map(([name]) => name)
        .filter((name) => !bases.includes(name))
        .sort(),
    ).toEqual(Object.keys(layers).sort());
    for (const [name, make] of Object.entries(layers)) {
      expect(() => make({}), name).not.toThrow();
      expect(() => make({ colour: 1 }), name).toThrow(`${name} has no option 'colour' [nn/unknown-option]`);
    }
  });

  test.each([
    ['RMSNorm', 'epss', 'eps'],
    ['Attention', 'kvHeads', 'kv_heads'],
    ['Attention', 'casual', 'causal'],
    ['MLP', 'outputStd', 'output_std'],
    ['Mixture', 'capacity_facto', 'capacity_factor'],
    ['Linear', 'biass', 'bias'],
    ['Parameter', 'inits', 'init'],
  ])('of %s, %s is likely %s', (layer, given, meant) => {
    expect(() => layers[layer]({ [given]: 1 })).toThrow(`the nearest is '${meant}'`);
  });

  test('a class that extends a layer takes options of its own', () => {
    class Scaled extends nn.RMSNorm {
      constructor(options: nn.NormOptions & { readonly scale: number }) {
        super(options);
      }
    }
    expect(new Scaled({ dim: 8, scale: 2 }).options).toEqual({ dim: 8, scale: 2 });
  });
});
