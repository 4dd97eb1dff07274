/** How model code calls an op: its worked example as TypeScript, for the op's page. `tests/docs` compiles and runs each. */
import type { Attributes } from '../ir/graph.js';
import { slotNames, type OpDefinition } from '../ir/op.js';
import { operandNames } from './example.js';

interface CallParts {
  /** The operands, by the names of their slots. */
  readonly slots: readonly string[];
  /** Names of factors of an operand. */
  readonly names: (slot: string) => readonly string[];
  readonly attributes: Attributes;
}

/** Ops that a tensor has a method for; every other is called by name. */
const methods: Readonly<Record<string, (call: CallParts) => string>> = {
  ...Object.fromEntries(
    ['neg', 'exp', 'log', 'sqrt', 'rsqrt', 'tanh', 'sigmoid', 'erf', 'relu'].map((op) => [op, () => `x.${op}()`]),
  ),
  ...Object.fromEntries(
    ['add', 'sub', 'div', 'maximum', 'minimum', 'eq', 'ge', 'lt'].map((op) => [
      op,
      ({ slots: [a, b] }: CallParts) => `${a}.${op}(${b})`,
    ]),
  ),
  scale: ({ attributes }) => `x.mul(${literal(attributes.value)})`,
  add_scalar: ({ attributes }) => `x.add(${literal(attributes.value)})`,
  cast: ({ attributes }) => `x.cast(${literal(attributes.dtype)})`,
  where: ({ slots: [condition, a, b] }) => `${condition}.where(${a}, ${b})`,
  einsum: ({ slots: [first, ...others], attributes }) =>
    `${first}.einsum([${others.join(', ')}], ${words(attributes.to)})`,
  max: ({ names, attributes }) => {
    const kept = attributes.to as readonly string[];
    return `x.max(${words(names('x').filter((name) => !kept.includes(name)))})`;
  },
  stack: ({ slots: [first, ...others], names, attributes }) => {
    const to = [...names(first)];
    to.splice(attributes.position as number, 0, attributes.factor as string);
    return `${first}.stack([${others.join(', ')}], ${literal(attributes.factor)}, ${words(to)})`;
  },
  unstack: ({ attributes }) => `x.unstack(${literal(attributes.factor)})`,
  fill: ({ attributes: { value, dtype, ...made } }) =>
    `like.builder.fill(${literal(value)}, ${literal(dtype)}, [${factors(made).join(', ')}])`,
  iota: ({ attributes: { dtype, ...made } }) => `like.builder.iota(${factors(made)[0]}, ${literal(dtype)})`,
};

/** Where the library calls an op for model code. */
const callers: Readonly<Record<string, string>> = {
  adamw: 'The update calls it, `optim.adamw`; model code has no reason to.',
  attention: '`nn.Attention` calls it.',
  dropout: '`nn.Dropout` calls it, with the seed, step and microbatch of the run and a stream of its own in the model.',
  einsum_add: '`fuse_einsum_add` makes it of a product and its bias; `nn.Linear` gets by without.',
  fixed_point: '`exact_sums` puts it on what a reproducible step sums.',
  gather: '`nn.Embedding` calls it.',
  layer_norm: '`nn.LayerNorm` calls it.',
  rms_norm: '`nn.RMSNorm` calls it.',
  rotary: '`nn.Attention` calls it where it is given `rotary`.',
  scatter: '`nn.Mixture` calls it, to send tokens to their experts.',
  softmax_cross_entropy: '`nn.crossEntropy` calls it.',
  square_bins: 'The update of a reproducible step calls it, for the norm of all gradients.',
  swiglu: '`nn.SwiGLU` calls it.',
  topk: '`nn.Mixture` calls it, to choose experts.',
};

/** The call as a module that exports `call`, a function of the operands; and who makes it for you, where somebody does. */
export function callOf(op: OpDefinition): { readonly code: string; readonly caller: string | null } {
  const slots = slotNames(op.operands, Object.keys(op.example!.given).length);
  const names = (slot: string) => operandNames(op, slot);
  const attributes = op.example!.attributes ?? {};
  const call = (methods[op.name] ?? (() => byName(op, slots, attributes)))({ slots, names, attributes });
  const operands =
    slots.length === 0 ? ['like: Tensor'] : slots.map((slot) => `${slot}: Tensor<${literal(names(slot))}>`);
  const code = `import type { Tensor } from 'flotilla';\n\nexport const call = (${operands.join(', ')}) => ${call};`;
  return { code, caller: callers[op.name] ?? null };
}

function byName(op: OpDefinition, [first, ...others]: readonly string[], attributes: Attributes): string {
  if (first === undefined) throw new Error(`${op.name} has no operand to be called on`);
  const given = Object.entries(attributes).map(([name, value]) => `${name}: ${literal(value)}`);
  const list = others.length > 0 || given.length > 0 ? `, [${others.join(', ')}]` : '';
  return `${first}.apply('${op.name}'${list}${given.length > 0 ? `, { ${given.join(', ')} }` : ''})`;
}

const factors = ({ names, sizes }: Attributes): readonly string[] =>
  (names as readonly string[]).map((name, i) => `{ name: ${literal(name)}, size: ${(sizes as readonly number[])[i]} }`);

const words = (names: unknown): string => `'${(names as readonly string[]).join(' ')}'`;

function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  return typeof value === 'string' ? `'${value}'` : String(value);
}
