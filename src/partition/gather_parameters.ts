/**
 * From how parameters are stored to how ops read them: ZeRO as layouts of buckets. After partition, which knows nothing of it: ops are
 * placed as they read their operands.
 *
 *   stored shard ─cast─▶ shard in the compute type ─all_gather─▶ bucket ─unpack─▶ members
 *        state          once a step                  once a scope of those who read them
 *
 * What follows from gathered members alone (a cast of one of them, a reshard) is made again in each scope that reads it, so that nothing
 * whole outlives its scope. The shard axis is gathered on the bucket, never on a member.
 */
import type { DType } from '../ir/dtype.js';
import type { Source } from '../ir/graph.js';
import { canonicalLayout, sameLayout, type Layout } from '../ir/layout.js';
import { castTo, opNamed, type OpRegistry } from '../ir/op.js';
import { nameOf, ownerOf, parameterRole, written } from '../ir/role.js';
import { namesOf, type TensorType } from '../ir/type.js';
import type { ReshardSearch } from '../reshard/search.js';
import { isGathered, type Bucket } from './buckets.js';
import type { PlacedGraph, PlacedId, PlacedInput, PlacedOp, PlacedStep } from './placed.js';
import { PlacedEdit, type Spot } from './placed_edit.js';
import type { Scope } from '../plan/scope.js';

export interface GatherOptions {
  readonly registry: OpRegistry;
  /** One search a group's mesh. */
  readonly reshards: readonly ReshardSearch[];
  /** How many segments ahead, in the order of a direction, weights are gathered. */
  readonly prefetch: number;
  /** How parameters lie between steps that are in no bucket. */
  storage(group: number, type: TensorType): Layout;
  /** How long they are kept where they are gathered. */
  readonly gathered: Scope;
}

/** What is gathered: a bucket, or a parameter that is in none. */
interface Gathered extends Pick<
  Bucket,
  'name' | 'group' | 'home' | 'type' | 'compute' | 'whole' | 'storage' | 'gathered'
> {
  /** Null: it is a tensor itself. */
  readonly members: Bucket['members'] | null;
}

/** The graph with the members of gathered buckets read from these. */
export function gatherParameters(placed: PlacedGraph, buckets: readonly Bucket[], options: GatherOptions): PlacedGraph {
  return new Gathering(placed, buckets, options).run();
}

/** A member of a bucket, in an element type; or what is gathered by itself. */
interface Member {
  readonly bucket: Gathered;
  readonly index: number;
  readonly dtype: DType;
}

/** The readers who share what is made for them: their scope, and the source of the first of them. */
interface Reading {
  readonly scope: Scope;
  readonly key: string;
  readonly source: Source;
}

class Gathering {
  private readonly edit: PlacedEdit;
  private readonly buckets: readonly Bucket[];
  private readonly options: GatherOptions;
  private readonly members = new Map<PlacedId, Member>();
  /** What follows from members alone, with the step that makes it. */
  private readonly derived = new Map<PlacedId, PlacedStep>();
  /** For each group, direction and segment that reads something gathered, the first of the steps around the first reader, in order. */
  private readonly firsts = new Map<string, PlacedStep>();
  private readonly stored = new Map<Gathered, PlacedId>();
  private readonly made = new Map<string, readonly PlacedId[]>();

  constructor(placed: PlacedGraph, buckets: readonly Bucket[], options: GatherOptions) {
    this.edit = new PlacedEdit(placed, options.reshards);
    this.buckets = buckets;
    this.options = options;
  }

  run(): PlacedGraph {
    const { graph } = this.edit;
    const inputs = this.storeInputs(graph);
    if (this.members.size === 0) return graph;
    this.findDerived(graph);
    const derived = new Set(this.derived.values());
    const kept = graph.steps.filter((step) => !derived.has(step));
    const reads = (step: PlacedStep) => step.inputs.some((id) => this.isGathered(id));
    /** Of each group, where the run of steps began that it has come to, all of one segment and direction. */
    const runs = new Map<number, { readonly key: string; readonly begin: PlacedStep }>();
    for (const step of kept) {
      const key = segmentKey(step);
      const known = runs.get(step.group);
      const run = known?.key === key ? known : { key, begin: step };
      runs.set(step.group, run);
      if (reads(step) && !this.firsts.has(key)) this.firsts.set(key, run.begin);
    }
    const rewritten = new Map(kept.map((step) => [step, reads(step) ? this.rewrite(step) : step]));
    const steps = kept.flatMap((step) => this.edit.around(step, rewritten.get(step)!));
    return { ...graph, values: this.edit.values, inputs, steps };
  }

  /** The graph's inputs, with buckets in place of their members. */
  private storeInputs(graph: PlacedGraph): readonly PlacedInput[] {
    const stored: PlacedInput[] = [];
    const others = graph.inputs.filter((input) => {
      const member = input.kind === 'parameter' ? this.memberOf(graph, input) : null;
      if (!member) return true;
      const { bucket } = member;
      this.members.set(input.value, member);
      if (!this.stored.has(bucket)) {
        const isCopy = bucket.group !== bucket.home;
        const name = isCopy ? `${bucket.name} @${bucket.group}` : bucket.name;
        const value = this.edit.value(name, bucket.type, bucket.storage, bucket.group, 'step');
        this.stored.set(bucket, value);
        const role = bucket.members ? parameterRole(bucket.name) : input.role;
        stored.push({ role, name: nameOf(role), kind: 'parameter', value });
      }
      return false;
    });
    return [...stored, ...others];
  }

  /** Null: the parameter lies as it is read. */
  private memberOf(graph: PlacedGraph, { role, value }: PlacedInput): Member | null {
    const { name: own, type, layout: whole, group } = graph.values[value];
    for (const bucket of this.buckets) {
      if (bucket.group !== group) continue;
      const index = bucket.members.findIndex((member) => member.name === ownerOf(role));
      if (index >= 0) return isGathered(bucket) ? { bucket, index, dtype: bucket.type.dtype } : null;
    }
    const storage = canonicalLayout(graph.meshes[group], type, this.options.storage(group, type));
    if (sameLayout(storage, whole)) return null;
    const casts = graph.steps.flatMap((step) => (step.inputs.includes(value) ? [this.castTo(step)] : []));
    const compute = new Set(casts).size === 1 && casts[0] !== null ? casts[0] : type.dtype;
    const { gathered } = this.options;
    return {
      bucket: { name: own, group, home: group, type, compute, whole, storage, gathered, members: null },
      index: 0,
      dtype: type.dtype,
    };
  }

  private castTo(step: PlacedStep): DType | null {
    return step.kind === 'op' ? castTo(this.options.registry, step) : null;
  }

  private findDerived({ steps, outputs }: PlacedGraph): void {
    const given = new Set(outputs.map(({ value }) => value));
    for (const step of steps) {
      if (step.kind !== 'op' && step.kind !== 'move') continue;
      const follows = step.inputs.length > 0 && step.inputs.every((id) => this.isGathered(id));
      if (follows && !step.outputs.some((id) => given.has(id)))
        step.outputs.forEach((id) => this.derived.set(id, step));
    }
  }

  private isGathered(id: PlacedId): boolean {
    return this.members.has(id) || this.derived.has(id);
  }

  private rewrite(step: PlacedStep): PlacedStep {
    return { ...step, inputs: step.inputs.map((id) => this.read(id, step)) } as PlacedStep;
  }

  /** What stands for a value of the graph where `reader` reads it. */
  private read(id: PlacedId, reader: PlacedStep): PlacedId {
    const member = this.members.get(id);
    if (member) return this.gathered(member, reader);
    const maker = this.derived.get(id);
    if (!maker) return id;
    const cast = this.castOf(id);
    const { key, source, scope } = cast
      ? readingOf(cast.bucket.gathered, reader)
      : readingOf('segment and direction', reader);
    const name = `${key} again ${maker.outputs.join(' ')}`;
    const known = this.made.get(name);
    if (known) return known[maker.outputs.indexOf(id)];
    const at: Spot = { side: 'before', step: reader };
    if (cast) {
      const { layout } = this.edit.values[id];
      const laid = this.edit.reshard(this.gathered(cast, reader), layout, { at, source, scope, suffix: `in ${key}` });
      this.made.set(name, [laid]);
      return laid;
    }
    const inputs = maker.inputs.map((input) => this.read(input, reader));
    const outputs = maker.outputs.map((output) => {
      const { name: was, type, layout, group } = this.edit.values[output];
      return this.edit.value(`${was} again in ${key}`, type, layout, group, scope);
    });
    this.edit.put(at, {
      ...maker,
      inputs,
      outputs,
      source: { ...maker.source, ...where(source) },
    } as PlacedStep);
    this.made.set(name, outputs);
    return outputs[maker.outputs.indexOf(id)];
  }

  /** The member that a value is the cast of, in whatever layout, where its whole bucket is cast to that type; null: it is none. */
  private castOf(id: PlacedId): Member | null {
    const casts: DType[] = [];
    let current = id;
    for (let step = this.derived.get(id); step; step = this.derived.get(current)) {
      const to = this.castTo(step);
      if (to !== null) casts.push(to);
      else if (step.kind === 'op') return null;
      current = step.inputs[0];
    }
    const member = this.members.get(current)!;
    const { compute, type } = member.bucket;
    return compute !== type.dtype && casts.length === 1 && casts[0] === compute ? { ...member, dtype: compute } : null;
  }

  /** A member of a bucket, gathered for all who read it in the scope of `reader`. */
  private gathered({ bucket, index, dtype }: Member, reader: PlacedStep): PlacedId {
    const { name, type, members, group, whole, gathered } = bucket;
    const { key, source, scope } = readingOf(gathered, reader);
    const known = this.made.get(`${key} ${name} ${dtype}`);
    if (known) return known[index];
    const at: Spot = { side: 'before', step: scope === 'segment and direction' ? this.ahead(reader) : reader };
    const suffix = `in ${key}`;
    const shard = dtype === type.dtype ? this.stored.get(bucket)! : this.castShard(bucket, dtype, at, source);
    const from = members ? { ...source, path: name } : source;
    const full = this.edit.reshard(shard, whole, { at, source: from, scope, suffix });
    if (!members) {
      this.made.set(`${key} ${name} ${dtype}`, [full]);
      return full;
    }
    const typed = members.map((member) => ({ ...member, type: { ...member.type, dtype } }));
    const outputs = typed.map((member) =>
      this.edit.value(`${written(member.name)} ${dtype} ${suffix}`, member.type, member.layout, group, scope),
    );
    this.edit.put(at, { kind: 'unpack', members: typed, inputs: [full], outputs, source: from, group });
    this.made.set(`${key} ${name} ${dtype}`, outputs);
    return outputs[index];
  }

  /** The step before which the weights of `reader`'s segment are gathered: where the segment begins that is so many earlier. */
  private ahead({ group, source, ...reader }: PlacedStep): PlacedStep {
    const alike = [...this.firsts].filter(([, one]) => one.group === group && one.source.phase === source.phase);
    const here = alike.findIndex(([key]) => key === segmentKey({ group, source, ...reader } as PlacedStep));
    return alike[Math.max(0, here - this.options.prefetch)][1];
  }

  /** The shard of a bucket in the type that ops read, made once a step: by the slot of its first reader. */
  private castShard(bucket: Gathered, dtype: DType, at: Spot, reader: Source): PlacedId {
    const shard = this.stored.get(bucket)!;
    const known = this.made.get(`cast ${shard}`);
    if (known) return known[0];
    const casts = (step: PlacedStep): step is PlacedOp =>
      this.castTo(step) === dtype && this.castOf(step.outputs[0])?.bucket === bucket;
    const { op, attributes, source } = [...this.derived.values()].find(casts)!;
    const { rule, results } = opNamed(this.options.registry, op).bind({
      operands: [bucket.type],
      names: [namesOf(bucket.type)],
      attributes,
    });
    const name = `${this.edit.values[shard].name} ${dtype}`;
    const output = this.edit.value(name, results[0], bucket.storage, bucket.group, 'step');
    this.edit.put(at, {
      kind: 'op',
      op,
      rule,
      attributes,
      assignment: { splits: this.edit.values[output].layout.splits, through: {} },
      inputs: [shard],
      outputs: [output],
      source: { ...source, path: bucket.members ? bucket.name : source.path, ...where(reader) },
      group: bucket.group,
    });
    this.made.set(`cast ${shard}`, [output]);
    return output;
  }
}

function readingOf(scope: Scope, { source, group }: PlacedStep): Reading {
  const key = scope === 'segment and direction' ? `${source.segment}/${source.phase}` : `${scope} ${group}`;
  return { scope, key, source };
}

const where = ({ phase, segment }: Source): Pick<Source, 'phase' | 'segment'> => ({ phase, segment });

const segmentKey = ({ group, source }: PlacedStep): string => `${group} ${source.segment}/${source.phase}`;
