/**
 * Residuals that the backward makes again instead of keeping them (Chen et al. 2016, arXiv:1604.06174; Megatron-LM: Korthikanti et al.
 * 2022, arXiv:2205.05198, §4.1).
 *
 *   forward   x ─ norm ─▶ n ─ up ─▶ h ─ gelu ─▶ a          kept until the backward: x
 *   backward  x ─ norm ─▶ n again ─ up ─▶ h again ─ …      right before their first readers
 *
 * The steps that made them are repeated with their attributes, streams of random numbers, assignments and moves, so that the bits are
 * the same. They go back to what is there anyway: data, parameters, what lasts for the step, and the interfaces between segments, which
 * are what another segment or another group reads. After partition, whose choices they repeat; before buckets, so that they read weights
 * as the backward does.
 */
import type { Source } from '../ir/graph.js';
import { isLocal } from '../reshard/moves.js';
import { keptFor, liesUnder, type PlanScope } from '../plan/plan.js';
import { instanceOf, type Scope } from '../plan/scope.js';
import { scopeNamesNothing } from './diagnostics.js';
import { makersOf, scopeOf, type PlacedGraph, type PlacedId, type PlacedStep, type PlacedValue } from './placed.js';

/** `chunkOf`: the chunk of a segment. Throws `partition/scope-names-nothing` of a step with a backward. */
export function recompute(
  graph: PlacedGraph,
  scopes: readonly PlanScope[],
  chunkOf: (segment: string) => number,
): PlacedGraph {
  const { steps } = graph;
  // A validation step has none, nor all modules of the step that is trained.
  if (scopes.length === 0 || !steps.some(({ source }) => source.phase === 'backward')) return graph;
  const paths = [...new Set(steps.flatMap(({ source: { path, segment } }) => [path, segment]))];
  const stray = scopes.find(({ of }) => !paths.some((path) => liesUnder(path, of)));
  if (stray) throw scopeNamesNothing({ of: stray.of, known: paths });
  return new Recomputation(graph, scopes, chunkOf).run();
}

class Recomputation {
  private readonly graph: PlacedGraph;
  private readonly chunkOf: (segment: string) => number;
  private readonly values: PlacedValue[];
  /** What can be made again, with how long it is then kept. */
  private readonly again = new Map<PlacedId, { readonly maker: PlacedStep; readonly keep: Scope }>();
  /** Results that have been made again, by the first of the originals and the instance of their scope. */
  private readonly made = new Map<string, readonly PlacedId[]>();
  private readonly steps: PlacedStep[] = [];

  constructor(graph: PlacedGraph, scopes: readonly PlanScope[], chunkOf: (segment: string) => number) {
    this.graph = graph;
    this.chunkOf = chunkOf;
    this.values = [...graph.values];
    const interfaces = interfacesOf(graph);
    for (const step of graph.steps) {
      const scope = scopeOf(graph, step);
      if (step.source.phase !== 'forward' || step.kind === 'transfer' || scope === 'step') continue;
      // What is not kept for the backward, as a weight that is gathered for its segment, is made again for whatever is.
      if (scope !== 'microbatch') {
        step.outputs.forEach((id) => this.again.set(id, { maker: step, keep: scope }));
        continue;
      }
      if (step.outputs.some((id) => interfaces.has(id))) continue;
      const entry = keptFor(scopes, 'again', step.source);
      if (!entry || entry.keep === 'microbatch' || (entry.ops === 'cheap' && !isCheap(step))) continue;
      step.outputs.forEach((id) => this.again.set(id, { maker: step, keep: entry.keep }));
    }
  }

  run(): PlacedGraph {
    for (const step of this.graph.steps) {
      const { phase } = step.source;
      this.steps.push(phase === 'backward' || phase === 'weight' ? this.reading(step, step.source) : step);
    }
    return { ...this.graph, values: this.values, steps: this.steps };
  }

  private reading<S extends PlacedStep>(step: S, reader: Source): S {
    return { ...step, inputs: step.inputs.map((id) => this.read(id, reader)) };
  }

  /** What stands for a value where the backward reads it. */
  private read(id: PlacedId, reader: Source): PlacedId {
    const residual = this.again.get(id);
    if (!residual) return id;
    const { maker, keep } = residual;
    const k = maker.outputs.indexOf(id);
    const instance = instanceOf(keep, reader, this.chunkOf);
    const key = `${maker.outputs[0]} ${instance}`;
    const known = this.made.get(key);
    if (known) return known[k];
    const step = this.reading(maker, reader);
    const outputs = maker.outputs.map((output) =>
      this.copy(output, keep, keep === 'backward' ? '' : ` in ${instance}`),
    );
    const { segment, phase } = reader;
    this.steps.push({ ...step, outputs, source: { ...maker.source, segment, phase } } as PlacedStep);
    this.made.set(key, outputs);
    return outputs[k];
  }

  private copy(of: PlacedId, scope: Scope, suffix: string): PlacedId {
    const id = this.values.length;
    this.values.push({ ...this.values[of], id, name: `${this.values[of].name} again${suffix}`, scope });
    return id;
  }
}

/** What other segments than the one that made it read, or other groups, in their forward or backward. */
function interfacesOf(graph: PlacedGraph): ReadonlySet<PlacedId> {
  const makers = makersOf(graph);
  return new Set(
    graph.steps.flatMap((reader) =>
      reader.inputs.filter((id) => {
        const maker = makers.get(id);
        return maker && (maker.source.segment !== reader.source.segment || maker.group !== reader.group);
      }),
    ),
  );
}

/** True of what takes less time to make than a product: ops that sum no factor of two operands, and moves without messages. */
function isCheap(step: PlacedStep): boolean {
  if (step.kind === 'move') return isLocal(step.move);
  if (step.kind !== 'op') return true;
  const { operands, results } = step.rule;
  const given = new Set(results.flat());
  const summed = operands.flatMap((names) => [...new Set(names.filter((name) => !given.has(name)))]);
  return new Set(summed).size === summed.length;
}
