/** A plan as the partitioner asks of it: where inputs and outputs lie, on which group an op runs, what is fixed for it. */
import { readersOf, type Graph, type Source } from '../ir/graph.js';
import { replicated, type Layout } from '../ir/layout.js';
import type { Mesh } from '../ir/mesh.js';
import type { OpRule } from '../ir/rule.js';
import { ownerOf, parameterRole, roleKey, written, type ResultName, type Role } from '../ir/role.js';
import { madeOnce } from '../ir/texts.js';
import { namesOf, type FactorName, type TensorType } from '../ir/type.js';
import { groupOfChunks, keptFor, meshesOf, type Plan } from '../plan/plan.js';
import { reduceDtypeOf } from '../plan/reduce_dtype.js';
import type { Scope } from '../plan/scope.js';
import type { Bucket } from './buckets.js';
import type { Splits } from './candidates.js';
import { segmentWithoutChunk } from './diagnostics.js';
import type { PlacedGraph } from './placed.js';
import { factorsBeside, meetingFactors, splitsByContext, type StepFactors } from './context_splits.js';
import { splitsByPrecedence } from './precedence.js';
import type { Sharing } from './sharing.js';
import { aloneLayout, stateLayout, storageLayout } from './storage.js';

/** Everything the walk asks of the plan. */
export interface Placement {
  readonly meshes: readonly Mesh[];
  /** The group an op runs on. */
  group(source: Source): number;
  /** Where an input lies: its layout on every group that stores it. */
  input(role: Role, type: TensorType): readonly { readonly group: number; readonly layout: Layout }[];
  /** The layout an output must have, on each group that wants it; null leaves it as it comes. */
  output(role: Role, type: TensorType): readonly { readonly group: number; readonly layout: Layout }[] | null;
  /** The chunk of a segment: what lasts for a slot, or for a microbatch's backward, lasts on one. */
  chunkOf(segment: string): number;
  /** How long a reshard is kept that a reader asks for, of what a microbatch makes and in larger blocks: it can be made again. */
  reshardScope(reader: Source): Scope;
  /** How the plan lays a value out on a group's mesh by the names of its factors: how one that no op of the group has made is met. */
  arrival(group: number, type: TensorType): Layout;
  /** The factors that the plan splits, and which of them data come with: whom work that has them is to be shared by. */
  readonly sharing: Sharing;
  /** How often in a step everything is made that does not last it. */
  readonly microbatches: number;
  /** Splits the plan fixes for an op, by factor of its rule; null where it leaves the choice. */
  hint(node: HintRequest): Splits | null;
  /** True where whatever reads an input takes it reduced, although a sum could pass through: it is to travel as it is. */
  readReduced(role: Role): boolean;
}

export interface HintRequest {
  readonly source: Source;
  readonly rule: OpRule;
  /** Operand → the graph input that it is, or null. */
  readonly inputs: readonly (Role | null)[];
}

/** The groups that read each input of the step graph, by its role, first to last: where it is stored. */
export function homesOf(plan: Plan, step: Graph): ReadonlyMap<string, readonly number[]> {
  const groupOf = segmentGroups(plan);
  const readers = readersOf(step);
  return new Map(
    step.inputs.map(({ role, value }) => {
      const groups = new Set(readers(value).map((node) => groupOf(node.source.segment)));
      return [roleKey(role), [...groups].sort((a, b) => a - b)];
    }),
  );
}

/** Placement of the step graph: forward and backward of one scheduled microbatch. Outputs stay as they come: the update reduces them. */
export function stepPlacement(plan: Plan, step: Graph): Placement {
  const meshes = meshesOf(plan);
  const groupOf = segmentGroups(plan);
  const homes = homesOf(plan, step);
  const factors = stepFactors(step);
  const { dataFactors } = factors;
  // Equal layers share their rules.
  const fixed = meshes.map((mesh) =>
    madeOnce((rule: OpRule): Splits | null => {
      const byContext = splitsByContext(plan, factors, mesh, rule);
      const byPrecedence = splitsByPrecedence(plan, dataFactors, mesh, rule);
      return byContext || byPrecedence ? { ...byPrecedence, ...byContext } : null;
    }),
  );
  const readWhole = readWholeIn(step);
  return {
    meshes,
    group: ({ segment }) => groupOf(segment),
    input: (role, type) =>
      homes.get(roleKey(role))!.map((group) => ({
        group,
        layout: role.kind === 'scalar' ? replicated : beside(storageLayout(plan, meshes[group], type), readWhole(role)),
      })),
    output: () => null,
    sharing: { split: plan.split, dataFactors },
    microbatches: plan.schedule.microbatches,
    chunkOf: segmentChunks(plan),
    reshardScope: (reader) => keptFor(plan.scopes, 'reshard', reader)?.keep ?? 'microbatch',
    arrival: (group, type) => storageLayout(plan, meshes[group], type),
    hint: ({ source, rule }) => fixed[groupOf(source.segment)](rule),
    readReduced: () => false,
  };
}

/** Of data the factors that whatever reads them needs whole: the host writes them so, and nothing is gathered. */
function readWholeIn(step: Graph): (role: Role) => ReadonlySet<FactorName> {
  const readers = readersOf(step);
  const found = new Map(
    step.inputs.flatMap(({ role, kind, value }) => {
      if (kind !== 'data') return [];
      const names = namesOf(step.values[value].type);
      const whole = names.filter((_, k) =>
        readers(value).every(({ inputs, rule }) =>
          inputs.every((id, i) => id !== value || rule.factors[rule.operands[i][k]].whole),
        ),
      );
      return [[roleKey(role), new Set(whole)] as const];
    }),
  );
  return (role) => found.get(roleKey(role)) ?? new Set();
}

/** A layout without the splits of some factors. */
const beside = ({ splits, partial }: Layout, factors: ReadonlySet<FactorName>): Layout => ({
  splits: Object.fromEntries(Object.entries(splits).filter(([factor]) => !factors.has(factor))),
  partial,
});

/** What of a step's factors a plan's method goes by. */
export function stepFactors(step: Graph): StepFactors {
  const dataFactors = dataFactorsOf(step);
  const meeting = meetingFactors(step, dataFactors);
  return { dataFactors, meeting, beside: factorsBeside(step, meeting) };
}

/** Factors of the step's data: tokens have microbatch, batch and sequence. */
const dataFactorsOf = (step: Graph): ReadonlySet<FactorName> =>
  new Set(step.inputs.filter(({ kind }) => kind === 'data').flatMap(({ value }) => namesOf(step.values[value].type)));

/**
 * Placement of the update graph. Gradients come as the step left them (partial over data); parameters and state lie where they are
 * stored, on the first group that reads them; whatever reads a parameter or its gradient works there, in the layout of its state.
 */
export function updatePlacement(
  plan: Plan,
  step: PlacedGraph,
  homes: ReadonlyMap<string, readonly number[]>,
  parameters: ReadonlyMap<string, TensorType>,
  buckets: readonly Bucket[] = [],
): Placement {
  const meshes = meshesOf(plan);
  const given = new Map(step.outputs.map(({ role, value }) => [roleKey(role), step.values[value]]));
  const types = new Map([...parameters, ...buckets.map(({ name, type }) => [name, type] as const)]);
  const updated = new Map<string, Updated>();
  for (const { name, group, home, state } of buckets) {
    if (group !== home) continue;
    const copies = buckets.filter((one) => one.name === name);
    updated.set(name, { home, stored: copies.map((one) => ({ group: one.group, layout: one.storage })), state });
  }
  for (const [name, type] of parameters) {
    const read = homes.get(roleKey(parameterRole(name))) ?? [];
    // What no group reads is stored on the first.
    const groups = read.length > 0 ? read : [0];
    updated.set(name, {
      home: groups[0],
      stored: groups.map((group) => ({ group, layout: aloneLayout(plan, meshes[group], type) })),
      state: stateLayout(plan, meshes[groups[0]], type),
    });
  }
  // The update works on a parameter in a path of its name.
  const homeAt = new Map([...updated].map(([name, { home }]) => [written(name), home]));
  const ownerIn = (role: Role): Updated | undefined => {
    const of = ownerOf(role);
    return of === null ? undefined : updated.get(of);
  };
  return {
    meshes,
    // What belongs to no parameter, such as the norm of all gradients, is worked out on the first group.
    group: ({ path }) => homeAt.get(path) ?? 0,
    input: (role) => {
      if (role.kind === 'scalar') return meshes.map((_, group) => ({ group, layout: replicated }));
      if (role.kind === 'gradient' || role.kind === 'result') {
        const sum = given.get(roleKey(role));
        return sum ? [{ group: sum.group, layout: sum.layout }] : [];
      }
      const owner = ownerIn(role);
      if (!owner) return [{ group: 0, layout: replicated }];
      return role.kind === 'state' ? [{ group: owner.home, layout: owner.state }] : owner.stored;
    },
    output: (role) => {
      const owner = ownerIn(role);
      // Every group has learned whether the step is skipped, and says so.
      if (!owner) {
        const everywhere = role.kind === 'result' && role.name === ('skipped' satisfies ResultName);
        return (everywhere ? meshes : meshes.slice(0, 1)).map((_, group) => ({ group, layout: replicated }));
      }
      return role.kind === 'parameter' ? owner.stored : [{ group: owner.home, layout: owner.state }];
    },
    chunkOf: () => 0,
    reshardScope: () => 'step',
    arrival: (group, type) => storageLayout(plan, meshes[group], type),
    // Replicas of a parameter are updated alike; what ZeRO splits of it follows from the layout of its state.
    sharing: { split: {}, dataFactors: new Set() },
    microbatches: 1,
    hint: ({ inputs }) => {
      const owners = inputs.flatMap((input) => (input && ownerIn(input)) ?? []);
      return owners.at(0)?.state.splits ?? null;
    },
    // Gradients are reduced in the type that the plan has for that, and cast to the parameters' then.
    readReduced: (role) => {
      const sum = given.get(roleKey(role));
      if (role.kind !== 'gradient' || sum === undefined) return false;
      const { dtype } = sum.type;
      return dtype !== types.get(role.of)?.dtype || dtype !== reduceDtypeOf(plan.precision)(dtype);
    },
  };
}

/** What the update knows of a parameter or a bucket. */
interface Updated {
  readonly home: number;
  readonly stored: readonly { readonly group: number; readonly layout: Layout }[];
  readonly state: Layout;
}

/** The group of each segment. The function throws `partition/segment-without-chunk`. */
export function segmentGroups(plan: Plan): (segment: string) => number {
  const groupOf = groupOfChunks(plan);
  const chunkOf = segmentChunks(plan);
  return (segment) => groupOf[chunkOf(segment)];
}

/** The chunk of each segment. The function throws `partition/segment-without-chunk`. */
export function segmentChunks(plan: Plan): (segment: string) => number {
  const chunks = new Map(plan.chunks.flatMap(({ segments }, chunk) => segments.map((segment) => [segment, chunk])));
  return (segment) => {
    const chunk = chunks.get(segment);
    if (chunk === undefined) throw segmentWithoutChunk({ segment, known: [...chunks.keys()] });
    return chunk;
  };
}
