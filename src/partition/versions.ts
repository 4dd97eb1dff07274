/**
 * The versions of values: which layouts each value exists in so far, and the cheapest way to another.
 *
 * A reshard of a parameter lives in the scope (segment, direction) that asked for it and no longer: a gathered ZeRO-3 weight is
 * gathered again in the backward, and is never kept for the step. Reshards of other values are shared by everyone after them.
 */
import type { Source, ValueId } from '../ir/graph.js';
import { canonicalLayout, largestBlock, printLayout, sameLayout, type Layout } from '../ir/layout.js';
import type { Mesh } from '../ir/mesh.js';
import { dtypeBytes } from '../ir/dtype.js';
import type { TensorType } from '../ir/type.js';
import type { PlacedId, PlacedInput, PlacedStep, PlacedValue } from './placed.js';
import type { PartitionCosts } from './costs.js';

interface Version {
  readonly placed: PlacedValue;
  /** Null: usable everywhere. */
  readonly scope: string | null;
}

/** An offer to obtain a value in a layout: what it costs, in seconds, and the act. */
export interface Quote {
  readonly seconds: number;
  take(): PlacedId;
}

export class Versions {
  readonly values: PlacedValue[] = [];
  readonly steps: PlacedStep[] = [];
  readonly inputs: PlacedInput[] = [];
  private readonly byValue = new Map<ValueId, Version[]>();
  private readonly scoped = new Set<ValueId>();
  private readonly meshes: readonly Mesh[];
  private readonly costs: PartitionCosts;
  private readonly nameOf: (value: ValueId) => string;

  constructor(meshes: readonly Mesh[], costs: PartitionCosts, nameOf: (value: ValueId) => string) {
    this.meshes = meshes;
    this.costs = costs;
    this.nameOf = nameOf;
  }

  /** Declares a graph input where it is stored. Reshards of a `scoped` one are dropped at the end of their scope. */
  declareInput(
    value: ValueId,
    input: Omit<PlacedInput, 'value'>,
    type: TensorType,
    layout: Layout,
    stage: number,
  ): void {
    const placed = this.make(
      value,
      type,
      layout,
      stage,
      this.homes(value).length > 0 ? `${input.name} @${stage}` : input.name,
      null,
    );
    if (input.kind === 'parameter') this.scoped.add(value);
    this.inputs.push({ ...input, value: placed.id });
  }

  /** Declares the result of an op. */
  declareResult(value: ValueId, type: TensorType, layout: Layout, stage: number): PlacedId {
    return this.make(value, type, layout, stage, this.nameOf(value), null).id;
  }

  /** What exists of a value on a stage, oldest first. */
  on(value: ValueId, stage: number): readonly PlacedValue[] {
    return this.homes(value)
      .filter((version) => version.placed.stage === stage)
      .map((version) => version.placed);
  }

  any(value: ValueId): PlacedValue | null {
    return this.homes(value)[0]?.placed ?? null;
  }

  /** The cheapest way to have `value` in `layout` on a stage; null where there is none. */
  quote(value: ValueId, type: TensorType, stage: number, layout: Layout, source: Source, local = false): Quote | null {
    const mesh = this.meshes[stage];
    const wanted = canonicalLayout(mesh, type, layout);
    const scope = this.scoped.has(value) ? `${source.segment}/${source.phase}` : null;
    const usable = this.homes(value).filter((v) => v.scope === null || v.scope === scope);
    let best: Quote | null = null;
    // What is stored on a stage, or has come to it, is not sent there again: no later stage is waited for on behalf of a tied weight.
    const here = usable.filter(({ placed }) => placed.stage === stage);
    for (const { placed } of here.length > 0 ? here : usable) {
      const offer =
        placed.stage === stage
          ? this.reshard(value, placed, wanted, scope, source)
          : local
            ? null
            : this.transfer(value, placed, stage, wanted, source);
      if (offer && (best === null || offer.seconds < best.seconds)) best = offer;
      if (best?.seconds === 0) break;
    }
    return best;
  }

  private reshard(value: ValueId, from: PlacedValue, to: Layout, scope: string | null, source: Source): Quote | null {
    if (sameLayout(from.layout, to)) return { seconds: 0, take: () => from.id };
    const path = this.costs.reshards[from.stage].find(from.type, from.layout, to);
    if (!path) return null;
    const take = () => {
      let current = from;
      for (const move of path.moves) {
        const existing = this.homes(value).find(
          (v) =>
            v.placed.stage === from.stage &&
            (v.scope === null || v.scope === scope) &&
            sameLayout(v.placed.layout, move.to),
        );
        if (existing) {
          current = existing.placed;
          continue;
        }
        const name = `${this.nameOf(value)} ${printLayout(move.to, from.type)}${scope ? ` in ${scope}` : ''}`;
        const next = this.make(value, from.type, move.to, from.stage, name, scope);
        this.steps.push({ kind: 'move', move, inputs: [current.id], outputs: [next.id], source, stage: from.stage });
        current = next;
      }
      return current.id;
    };
    return { seconds: path.seconds, take };
  }

  /** Between stages: reduce at the source, send tiles into the wanted splits, and finish on the other side. */
  private transfer(value: ValueId, from: PlacedValue, stage: number, to: Layout, source: Source): Quote | null {
    const whole: Layout = { splits: from.layout.splits, partial: {} };
    const reduced = this.quote(value, from.type, from.stage, whole, source, true);
    if (!reduced) return null;
    const landing: Layout = { splits: to.splits, partial: {} };
    const bytes = largestBlock(this.meshes[stage], from.type, landing) * dtypeBytes[from.type.dtype];
    const take = () => {
      const sent = reduced.take();
      const name = `${this.nameOf(value)} ${printLayout(landing, from.type)} from ${from.stage} @${stage}`;
      const landed = this.make(value, from.type, landing, stage, name, null);
      this.steps.push({ kind: 'transfer', inputs: [sent], outputs: [landed.id], source, stage, fromStage: from.stage });
      return this.quote(value, from.type, stage, to, source, true)!.take();
    };
    return { seconds: reduced.seconds + this.costs.transferSeconds(bytes), take };
  }

  private homes(value: ValueId): Version[] {
    return this.byValue.get(value) ?? [];
  }

  private make(
    value: ValueId,
    type: TensorType,
    layout: Layout,
    stage: number,
    name: string,
    scope: string | null,
  ): PlacedValue {
    const canonical = canonicalLayout(this.meshes[stage], type, layout);
    const placed: PlacedValue = { id: this.values.length, name, type, layout: canonical, stage };
    this.values.push(placed);
    const versions = this.byValue.get(value);
    if (versions) versions.push({ placed, scope });
    else this.byValue.set(value, [{ placed, scope }]);
    return placed;
  }
}
