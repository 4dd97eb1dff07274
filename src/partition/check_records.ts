/**
 * The checker of records: a host writes and reads state by what the records of buckets say, and programs move it as the graphs say. So a
 * record has the parameters of the graph, each in one bucket, as the step takes, packs and unpacks them; and all groups' records of one
 * bucket have its elements in one order, in which they travel flat.
 */
import type { DiagnosticError } from '../ir/diagnostic.js';
import type { Graph } from '../ir/graph.js';
import { printLayout, sameLayout } from '../ir/layout.js';
import { castTo, type OpRegistry } from '../ir/op.js';
import { ownerOf } from '../ir/role.js';
import { factorsOf, printFactors, printType, sameFactors, type TensorType } from '../ir/type.js';
import * as diagnose from './diagnostics.js';
import { isGathered, type Bucket } from './buckets.js';
import { packedType, piecesOf, type PackedTensor } from './packing.js';
import { makersOf, type PlacedGraph, type PlacedId, type PlacedStep } from './placed.js';

/** Every record that is not what the graphs have; empty where all are. `graph`: what the step was made of. */
export function checkRecords(
  graph: Graph,
  step: PlacedGraph,
  registry: OpRegistry,
  buckets: readonly Bucket[],
): readonly DiagnosticError[] {
  const packings = packingsOf(step, registry);
  const parameters = new Map(
    graph.inputs.flatMap(({ role, kind, value }) =>
      kind === 'parameter' ? [[ownerOf(role)!, graph.values[value].type] as const] : [],
    ),
  );
  const holders = new Map<string, Bucket[]>();
  for (const record of buckets)
    for (const { name } of record.members) holders.set(name, [...(holders.get(name) ?? []), record]);
  return buckets.flatMap((record): DiagnosticError[] => {
    const differs = (what: string) => diagnose.recordDiffers({ name: record.name, group: record.group, what });
    const faults = [
      ...membersFault(parameters, record, holders),
      ...orderFault(step, record, buckets),
      ...takenFault(step, record),
      ...packings
        .filter(({ name, group }) => name === record.name && group === record.group)
        .filter(({ members }) => contents(members) !== contents(record.members))
        .map(
          ({ kind, members }) => `the step ${kind}s [${contents(members)}], and it has [${contents(record.members)}]`,
        ),
    ];
    return faults.map(differs);
  });
}

/** Members lie in one bucket, once. Parameters of the graph are as they are there; what is no padding, the gradients tell. */
function* membersFault(
  parameters: ReadonlyMap<string, TensorType>,
  { name, group, members }: Bucket,
  holders: ReadonlyMap<string, readonly Bucket[]>,
): Generator<string> {
  for (const { name: member, type, isPadding } of members) {
    const is = parameters.get(member);
    if (is && isPadding) yield `'${member}' is a parameter, and counts as padding`;
    else if (is && (is.dtype !== type.dtype || !sameFactors(is, type)))
      yield `'${member}' is ${printType(type)} in it, and the graph has ${printType(is)}`;
    const alike = holders.get(member)!.filter((one) => one.name !== name || one.group === group);
    if (alike.length > 1) yield `'${member}' lies in it twice, or in another one too`;
  }
}

/** The flat value is its members', in the order in which the first record has them. */
function* orderFault({ meshes }: PlacedGraph, record: Bucket, buckets: readonly Bucket[]): Generator<string> {
  const { name, members, type, whole } = record;
  const packed = packedType(meshes[record.group], type.dtype, members);
  if (!sameFactors(packed.type, type) || !sameLayout(packed.layout, whole))
    yield `it is ${printFactors(type)}, and its members ${printFactors(packed.type)}`;
  const order = (one: Bucket) =>
    piecesOf(meshes[one.group], one.members).map(({ tensor, tile }) => [tensor.name, tile]);
  const first = buckets.find((one) => one.name === name)!;
  if (JSON.stringify(order(first)) !== JSON.stringify(order(record)))
    yield `its elements have another order than those of group ${first.group}`;
}

/** Where ops read it as it is stored, they read its members as it has them. */
function* takenFault({ inputs, values }: PlacedGraph, record: Bucket): Generator<string> {
  if (isGathered(record)) return;
  for (const { role, kind, value } of inputs) {
    const { group, layout } = values[value];
    const member = record.members.find((one) => kind === 'parameter' && one.name === ownerOf(role));
    if (member && group === record.group && !sameLayout(layout, member.layout))
      yield `the step takes '${member.name}' in other blocks than it has`;
  }
}

interface Packing {
  /** Of the bucket. */
  readonly name: string;
  readonly group: number;
  readonly kind: 'pack' | 'unpack';
  readonly members: readonly PackedTensor[];
}

/** What a step packs into gradients of buckets, and unpacks of what is stored: on their way buckets are moved and cast. */
function packingsOf(step: PlacedGraph, registry: OpRegistry): readonly Packing[] {
  const makers = makersOf(step);
  const passesOn = (one: PlacedStep) => one.kind === 'move' || (one.kind === 'op' && castTo(registry, one) !== null);
  const originOf = (id: PlacedId): PlacedId => {
    const maker = makers.get(id);
    return maker && passesOn(maker) ? originOf(maker.inputs[0]) : id;
  };
  const stored = new Map(step.inputs.map(({ role, value }) => [value, ownerOf(role)]));
  const unpacked = step.steps.flatMap((one): Packing[] =>
    one.kind === 'unpack'
      ? [{ name: stored.get(originOf(one.inputs[0])) ?? '', group: one.group, kind: one.kind, members: one.members }]
      : [],
  );
  const packed = step.outputs.flatMap(({ role, value }): Packing[] => {
    const maker = makers.get(originOf(value));
    return maker?.kind === 'pack'
      ? [{ name: ownerOf(role) ?? '', group: maker.group, kind: maker.kind, members: maker.members }]
      : [];
  });
  return [...unpacked, ...packed];
}

/** In whichever element type. */
const contents = (members: readonly PackedTensor[]): string =>
  members
    .map(({ name, type, layout, isPadding }) => {
      const sizes = factorsOf(type).map((factor) => `${factor.name}=${factor.size}`);
      return `${name}[${sizes.join(' ')}] ${printLayout(layout)}${isPadding ? ' as padding' : ''}`;
    })
    .join(', ');
