/** The graph under construction while a model is traced: it knows the model's parameters, paths and segments. */
import { GraphBuilder } from '../ir/builder.js';
import type { DType } from '../ir/dtype.js';
import type { Attributes, ValueId } from '../ir/graph.js';
import type { OpRegistry } from '../ir/op.js';
import type { Tensor } from '../ir/tensor.js';
import { parameterOutsideModel, tensorOutsideModel } from './diagnostics.js';
import { hashName } from './init.js';
import type { Module, NamedModule, NamedParameter, Parameter } from './module.js';
import type { DataInput, ScalarInput } from '../ir/role.js';
import type { TensorType } from '../ir/type.js';

/** What is traced: the model's tree, as `module.ts` reads it. */
export interface ModelTree {
  readonly parameters: readonly NamedParameter[];
  readonly modules: readonly NamedModule[];
  readonly blocks: { readonly name: string; readonly blocks: readonly Module<unknown>[] } | null;
}

export interface ModelBuilderOptions {
  readonly name: string;
  /** Element type of parameters: `f32`, or `f64` where results are compared tightly. Narrower types are a pass's business. */
  readonly dtype: DType;
  /** False for validation and sampling, where dropout keeps everything. */
  readonly training: boolean;
  /** Of the tokens of a step, where documents are separate; null: they are packed. */
  readonly places: TensorType | null;
}

/** Of each token, the positions at which its document begins and behind which it ends. */
export interface DocumentPlaces {
  readonly starts: Tensor;
  readonly ends: Tensor;
}

/** What all randomness is a function of, besides op and element: the run's seed, the step, the scheduled microbatch. */
export interface RandomInputs {
  readonly seed: Tensor;
  readonly step: Tensor;
  readonly microbatch: Tensor;
}

export class ModelBuilder extends GraphBuilder {
  readonly training: boolean;
  /** Of f32 parameters, a model that says f32 means it. */
  override readonly wide: boolean;
  private readonly bound = new Map<Parameter, Tensor>();
  private readonly paths: ReadonlyMap<Module<unknown>, string>;
  private readonly blocks: ReadonlyMap<Module<unknown>, string>;
  private readonly lastBlock: Module<unknown> | null;
  /** The segment being traced; null once the forward is whole, when passes that add to it say their own. */
  private segment: string | null;
  private readonly places: TensorType | null;
  private readonly documentInputs = new Map<DataInput, Tensor>();
  private labelInput: Tensor | null = null;
  private readonly counts = new Set<ValueId>();
  private randomInputs: RandomInputs | null = null;
  private readonly streams = new Map<string, number>();

  constructor(registry: OpRegistry, tree: ModelTree, options: ModelBuilderOptions) {
    super(registry, options.name);
    this.training = options.training;
    this.places = options.places;
    this.wide = options.dtype === 'f64';
    this.paths = new Map(tree.modules.map(({ module, path }) => [module, path]));
    const blocks = tree.blocks?.blocks ?? [];
    this.blocks = new Map(blocks.map((block, i) => [block, `${tree.blocks!.name}.${i}`]));
    this.lastBlock = blocks.at(-1) ?? null;
    this.segment = blocks.length > 0 ? 'embedding' : 'model';
    for (const { name, parameter } of tree.parameters) {
      this.bound.set(parameter, this.input(name, 'parameter', { dtype: options.dtype, dims: parameter.dims }));
    }
  }

  /** The builder of a tensor that a model's forward was given. */
  static of(tensor: Tensor): ModelBuilder {
    if (tensor.builder instanceof ModelBuilder) return tensor.builder;
    throw tensorOutsideModel({ path: tensor.builder.path });
  }

  parameter(parameter: Parameter): Tensor {
    const tensor = this.bound.get(parameter);
    if (!tensor) {
      const factors = parameter.dims.flat().map((f) => `${f.name}=${f.size}`);
      throw parameterOutsideModel({ factors, path: this.path });
    }
    return tensor;
  }

  /** The scalars that randomness is a function of, made inputs when first asked for. */
  random(): RandomInputs {
    const input = (name: ScalarInput | DataInput, kind: 'scalar' | 'data') =>
      this.input(name, kind, { dtype: 'i64', dims: [] });
    this.randomInputs ??= {
      seed: input('seed', 'scalar'),
      step: input('step', 'scalar'),
      // Another number in each scheduled microbatch.
      microbatch: input('microbatch', 'data'),
    };
    return this.randomInputs;
  }

  /** The target of each token, negative where it has none; null where nothing is trained or validated. */
  get labels(): Tensor | null {
    return this.labelInput;
  }

  /** Makes the targets an input. */
  takeLabels(type: TensorType): Tensor {
    return (this.labelInput = this.input('labels' satisfies DataInput, 'data', type));
  }

  /** Notes that a tensor counts the labels that are real, among these. */
  noteCount(labels: Tensor, count: Tensor): void {
    if (labels.id === this.labelInput?.id) this.counts.add(count.id);
  }

  /** Whether it is a count of the step's own labels that are real. */
  countsRealTokens(tensor: Tensor): boolean {
    return this.counts.has(tensor.id);
  }

  /** Where the document of each token lies in its sequence, made inputs as they are read; null: a sequence is one document. */
  documents(): DocumentPlaces | null {
    const { places, documentInputs } = this;
    if (!places) return null;
    const input = (name: DataInput): Tensor => {
      const made = documentInputs.get(name) ?? this.input(name, 'data', places);
      documentInputs.set(name, made);
      return made;
    };
    return {
      get starts() {
        return input('document_starts');
      },
      get ends() {
        return input('document_ends');
      },
    };
  }

  /** Whether anything has asked where documents lie. */
  get readsDocuments(): boolean {
    return this.documentInputs.size > 0;
  }

  /** A number for the random op at hand: a hash of its module path and of how many came before it there. */
  stream(): number {
    const before = this.streams.get(this.path) ?? 0;
    this.streams.set(this.path, before + 1);
    return hashName(`${this.path}#${before}`) & 0x7fffffff;
  }

  /** Runs a module's forward with its nodes attributed to it. What follows the last block belongs to the head. */
  inside<T>(module: Module<unknown>, body: () => T): T {
    const block = this.blocks.get(module);
    if (block !== undefined) this.segment = block;
    const result = this.at({ path: this.paths.get(module) ?? this.path }, body);
    if (module === this.lastBlock) this.segment = 'head';
    return result;
  }

  override apply(op: string, operands: readonly Tensor[], attributes: Attributes = {}): readonly Tensor[] {
    if (this.segment === null) return super.apply(op, operands, attributes);
    return this.at({ segment: this.segment }, () => super.apply(op, operands, attributes));
  }

  /** Ends the forward: what is added from here on belongs to no segment by itself. */
  endForward(): void {
    this.segment = null;
  }
}
