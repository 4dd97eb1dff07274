/** A placed graph under change: values and steps are added beside those that it has. */
import type { DType } from '../ir/dtype.js';
import type { Source } from '../ir/graph.js';
import { canonicalLayout, printLayout, type Layout } from '../ir/layout.js';
import type { OpRegistry } from '../ir/op.js';
import type { TensorType } from '../ir/type.js';
import type { ReshardSearch } from '../reshard/search.js';
import { noReshard } from './diagnostics.js';
import type { PlacedGraph, PlacedId, PlacedStep, PlacedValue } from './placed.js';
import { castPlaced } from './cast_placed.js';
import type { Scope } from '../plan/scope.js';

/** Where an added step stands: right before or right after a step of the graph, behind those that were put there earlier. */
export interface Spot {
  readonly side: 'before' | 'after';
  readonly step: PlacedStep;
}

/** Of steps that are added: what asked for them, and how long what they make is kept. */
export interface Request {
  readonly at: Spot;
  readonly source: Source;
  readonly scope: Scope;
  /** Ends the names of the values that are made. */
  readonly suffix: string;
}

export class PlacedEdit {
  readonly graph: PlacedGraph;
  readonly values: PlacedValue[];
  private readonly reshards: readonly ReshardSearch[];
  /** Results of moves, by operand, layout and suffix: paths may begin alike. */
  private readonly moved = new Map<string, PlacedId>();
  /** Results of casts, by operand and type. */
  private readonly cast = new Map<string, PlacedId>();
  private readonly added = { before: new Map<PlacedStep, PlacedStep[]>(), after: new Map<PlacedStep, PlacedStep[]>() };

  /** `reshards`: a search a group's mesh. */
  constructor(graph: PlacedGraph, reshards: readonly ReshardSearch[]) {
    this.graph = graph;
    this.values = [...graph.values];
    this.reshards = reshards;
  }

  value(name: string, type: TensorType, layout: Layout, group: number, scope: Scope): PlacedId {
    const id = this.values.length;
    const canonical = canonicalLayout(this.graph.meshes[group], type, layout);
    this.values.push({ id, name, type, layout: canonical, group, scope });
    return id;
  }

  put({ side, step }: Spot, made: PlacedStep): void {
    const there = this.added[side].get(step);
    if (there) there.push(made);
    else this.added[side].set(step, [made]);
  }

  /** A value in another layout, by the cheapest moves. What is asked for with one suffix is asked for in the order of the steps. */
  reshard(id: PlacedId, to: Layout, { at, source, scope, suffix }: Request): PlacedId {
    const { name, type, layout, group } = this.values[id];
    const path = this.reshards[group].take(type, layout, canonicalLayout(this.graph.meshes[group], type, to));
    if (!path) throw noReshard({ value: name, type, layout: to });
    let current = id;
    for (const move of path.moves) {
      const key = `${current} ${printLayout(move.to)} ${suffix}`;
      let next = this.moved.get(key);
      if (next === undefined) {
        next = this.value(`${name} ${printLayout(move.to, type)} ${suffix}`, type, move.to, group, scope);
        this.put(at, { kind: 'move', move, inputs: [current], outputs: [next], source, group });
        this.moved.set(key, next);
      }
      current = next;
    }
    return current;
  }

  /**
   * A value in another layout; where that reduces it, in `dtype`: cast to that before, addend by addend, and back after. What is still
   * partial then is cast back so too.
   */
  reduceIn(dtype: DType, id: PlacedId, to: Layout, request: Request, registry: OpRegistry): PlacedId {
    const { layout, type } = this.values[id];
    const reduces = Object.keys(layout.partial).some((axis) => !(axis in to.partial));
    if (dtype === type.dtype || !reduces) return this.reshard(id, to, request);
    const reduced = this.reshard(this.castTo(dtype, id, request, registry), to, request);
    return this.castTo(type.dtype, reduced, request, registry);
  }

  private castTo(dtype: DType, id: PlacedId, { at, source }: Request, registry: OpRegistry): PlacedId {
    const key = `${id} ${dtype}`;
    const known = this.cast.get(key);
    if (known !== undefined) return known;
    const from = this.values[id];
    const output = this.value(`${from.name} ${dtype}`, { ...from.type, dtype }, from.layout, from.group, from.scope);
    this.put(at, castPlaced(registry, from, this.values[output], source));
    this.cast.set(key, output);
    return output;
  }

  /** Steps of the graph, with those that were put beside them. */
  around(step: PlacedStep, now: PlacedStep): readonly PlacedStep[] {
    return [...(this.added.before.get(step) ?? []), now, ...(this.added.after.get(step) ?? [])];
  }
}
