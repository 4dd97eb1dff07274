/**
 * Modules and parameters: how a model is written.
 *
 * A module's fields are its tree: parameters, modules, and arrays of modules, named by their path from the model
 * (`blocks.0.attention.qkv.weight`, as in Hugging Face files). `forward` runs once, on symbols. A module holds no numbers: a
 * parameter says its shape and how it starts, and becomes a tensor where a forward asks for it.
 */
import type { DimNames, Unknown } from '../ir/shape.js';
import { Tensor } from '../ir/tensor.js';
import type { Factor, FactorName } from '../ir/type.js';
import type { Init } from './init.js';
import { unknownOption, wrongResult } from './diagnostics.js';
import { ModelBuilder } from './model_builder.js';

/** Sizes by factor name, major first: `{ qkv: 3, heads: 6, head_dim: 64 }` is one dimension of three factors. */
export type FactorSizes = Readonly<Record<FactorName, number>>;

/** A trainable tensor of a module: its dimensions `D`, each a product of named factors, and its first value as data. */
export class Parameter<const D extends readonly FactorSizes[] = Unknown> {
  readonly dims: readonly (readonly Factor[])[];
  readonly init: Init;

  /** Throws `nn/unknown-option`. */
  constructor(options: { readonly dims: D; readonly init: Init }) {
    requireKnown('Parameter', options, { dims: true, init: true });
    this.dims = options.dims.map((dim) => Object.entries(dim).map(([name, size]) => ({ name, size })));
    this.init = options.init;
  }

  /** This parameter in the graph that `like` belongs to. Throws where the model's fields do not lead to this parameter. */
  tensor(like: Tensor): Tensor<DimNames<D>> {
    return ModelBuilder.of(like).parameter(this);
  }
}

/** Names of the options of a layer, each of them. */
export type OptionNames<Options> = Readonly<Record<keyof Options, true>>;

/**
 * A part of a model. Subclasses declare parameters and modules as fields, and `forward`. One that declares its `optionNames` takes no other
 * options; of classes that extend it, which may take more, that is theirs to say.
 */
export class Module<Options = object> {
  static readonly optionNames?: Readonly<Record<string, true>>;
  readonly options: Options;

  /** Throws `nn/unknown-option`. */
  constructor(options: Options) {
    if (Object.hasOwn(new.target, 'optionNames')) requireKnown(new.target.name, options, new.target.optionNames ?? {});
    this.options = options;
    nameNodesAfter(this);
  }
}

function requireKnown(layer: string, options: unknown, names: Readonly<Record<string, true>>): void {
  if (typeof options !== 'object' || options === null) return;
  const known = Object.keys(names);
  const option = Object.keys(options).find((name) => !known.includes(name));
  if (option !== undefined) throw unknownOption({ layer, option: option.slice(0, 80), known });
}

/** A parameter and its name in checkpoints, plans and messages. */
export interface NamedParameter {
  readonly name: string;
  readonly parameter: Parameter;
}

/** A module and its path from the root, whose own path is empty. */
export interface NamedModule {
  readonly path: string;
  readonly module: Module<unknown>;
}

/** All parameters, in the order of the fields. One that is reached twice (tied) is listed once, under its first path. */
export function parametersOf(model: Module<unknown>): readonly NamedParameter[] {
  const found = new Map<Parameter, string>();
  for (const { path, module } of modulesOf(model)) {
    for (const [field, value] of fieldsOf(module)) {
      if (value instanceof Parameter && !found.has(value)) found.set(value, join(path, field));
    }
  }
  return [...found].map(([parameter, name]) => ({ name, parameter }));
}

/** All modules, parents first, each once. */
export function modulesOf(root: Module<unknown>): readonly NamedModule[] {
  const found = new Map<Module<unknown>, string>();
  const visit = (module: Module<unknown>, path: string) => {
    if (found.has(module)) return;
    found.set(module, path);
    for (const [field, value] of fieldsOf(module)) if (value instanceof Module) visit(value, join(path, field));
  };
  visit(root, '');
  return [...found].map(([module, path]) => ({ path, module }));
}

/** A model's list of blocks: its first field that is an array of modules. It cuts the model into segments. */
export function blockListOf(
  model: Module<unknown>,
): { readonly name: string; readonly blocks: readonly Module<unknown>[] } | null {
  for (const [name, value] of Object.entries(model)) {
    if (Array.isArray(value) && value.length > 0 && value.every((item) => item instanceof Module)) {
      return { name, blocks: value };
    }
  }
  return null;
}

/** Fields that may hold parameters and modules; arrays are spread as `blocks.0`. Options are settings, not parts. */
function* fieldsOf(module: Module<unknown>): Iterable<[string, unknown]> {
  for (const [name, value] of Object.entries(module)) {
    if (name === 'options') continue;
    if (Array.isArray(value)) for (const [i, item] of value.entries()) yield [`${name}.${i}`, item];
    else yield [name, value];
  }
}

const join = (path: string, field: string): string => (path ? `${path}.${field}` : field);

/**
 * Makes a module's `forward` say where it is: nodes built in it carry the module's path. The first tensor among the arguments
 * leads to the graph under construction, which knows the path.
 */
function nameNodesAfter(module: Module<unknown>): void {
  const forward: unknown = (module as { forward?: unknown }).forward;
  if (typeof forward !== 'function') return;
  const named = (...inputs: readonly unknown[]): unknown => {
    const tensor = inputs.find((input) => input instanceof Tensor);
    const builder = tensor?.builder instanceof ModelBuilder ? tensor.builder : null;
    const body = (): unknown => {
      const result: unknown = forward.apply(module, inputs);
      // Nobody waits for it: that it fails would end the process without this refusal.
      if (result instanceof Promise) result.catch(() => {});
      // Said here, and not where somebody reads what is not there.
      if (result === undefined || result instanceof Promise)
        throw wrongResult({ ...methodOf(module, 'forward', result), wants: 'a tensor', path: builder?.path ?? '' });
      return result;
    };
    return builder ? builder.inside(module, body) : body();
  };
  // Not enumerable: it is no part of the module's tree.
  Object.defineProperty(module, 'forward', { value: named, writable: true, configurable: true, enumerable: false });
}

/** Which method gave what, for `nn/wrong-result`. */
export const methodOf = (module: Module<unknown>, method: string, result: unknown) => ({
  method,
  module: module.constructor.name,
  given:
    result === undefined
      ? 'nothing'
      : result instanceof Promise
        ? 'a promise'
        : result === null || typeof result !== 'object'
          ? String(result)
          : `an object of ${result.constructor?.name ?? 'no class'}`,
});
