/** Where the bytes of an arena go when it is fullest, by what they hold: the kinds and what is free then add up to the arena. */
import { bytesOf } from '../../ir/type.js';
import { staysOf } from '../../memory/stays.js';
import type { PlacedGraph, PlacedId } from '../../partition/placed.js';
import { baseOf } from '../../program/place.js';
import type { ProgramValue, RankClass, ValueIndex } from '../../program/program.js';

export const memoryKinds = [
  'parameters',
  'optimizer state',
  'gradients of parameters',
  'gathered or cast parameters',
  'activations and their gradients',
  'the update',
  'workspaces and messages',
  'data, scalars and results',
  'free then',
] as const;
export type MemoryKind = (typeof memoryKinds)[number];

export type MemoryByKind = Readonly<Record<MemoryKind, number>>;

/**
 * Of a class, at the launch at which most bytes are there. Two buffers that are there at one launch never share an address, so what is left of
 * the arena is free then: for alignment, between buffers, or held for what may run at the same time. `step`: the graph that the class runs
 * for each microbatch.
 */
export function memoryByKind(rankClass: RankClass, step: PlacedGraph): MemoryByKind {
  const { values, arenaBytes } = rankClass;
  const stays = [...staysOf(rankClass)];
  const touched = new Set(stays.map(({ base }) => base));
  // State has its place where nothing touches it too.
  const kept = new Set(rankClass.before.values.map(({ at }) => baseOf(values, at)));
  const untouched = [...kept].filter((base) => !touched.has(base));
  const peak = fullest(stays);
  const alive = [
    ...stays.filter(({ begins, ends }) => begins <= peak && peak <= ends),
    ...untouched.map((base) => ({ base, bytes: bytesOf(values[base].type) })),
  ];
  const known = graphKinds(step);
  const bytes = Object.fromEntries(memoryKinds.map((kind) => [kind, 0])) as Record<MemoryKind, number>;
  for (const one of alive) bytes[kindOf(values, one.base, known)] += one.bytes;
  const held = Object.values(bytes).reduce((sum, one) => sum + one, 0);
  return { ...bytes, 'free then': arenaBytes - held };
}

/** The first launch at which most bytes are there. */
function fullest(stays: readonly { readonly begins: number; readonly ends: number; readonly bytes: number }[]): number {
  const changes: number[] = [];
  for (const { begins, ends, bytes } of stays) {
    changes[begins] = (changes[begins] ?? 0) + bytes;
    changes[ends + 1] = (changes[ends + 1] ?? 0) - bytes;
  }
  let [now, most, at] = [0, -1, 0];
  for (let launch = 0; launch < changes.length; launch++) {
    now += changes[launch] ?? 0;
    if (now > most) [most, at] = [now, launch];
  }
  return at;
}

/** Of the graph of a step: what follows from parameters alone, and what is a gradient of one. */
interface GraphKinds {
  readonly ofParameters: ReadonlySet<PlacedId>;
  readonly gradients: ReadonlySet<PlacedId>;
}

function graphKinds({ inputs, outputs, steps }: PlacedGraph): GraphKinds {
  const ofParameters = new Set(inputs.flatMap(({ role, value }) => (role.kind === 'parameter' ? [value] : [])));
  for (const step of steps)
    if (step.inputs.length > 0 && step.inputs.every((id) => ofParameters.has(id)))
      for (const id of step.outputs) ofParameters.add(id);
  const gradients = new Set(outputs.flatMap(({ role, value }) => (role.kind === 'gradient' ? [value] : [])));
  // As it comes, before it is reduced.
  for (const step of steps.toReversed())
    if (step.kind === 'move' && gradients.has(step.outputs[0])) gradients.add(step.inputs[0]);
  return { ofParameters, gradients };
}

function kindOf(
  values: readonly ProgramValue[],
  base: ValueIndex,
  { ofParameters, gradients }: GraphKinds,
): MemoryKind {
  const { is } = values[base];
  switch (is.kind) {
    case 'buffer':
      return 'workspaces and messages';
    case 'made':
      if (is.graph === 'update') return 'the update';
      if (gradients.has(is.value)) return 'gradients of parameters';
      return ofParameters.has(is.value) ? 'gathered or cast parameters' : 'activations and their gradients';
    case 'updated':
      return is.role.kind === 'parameter' || is.role.kind === 'state' ? 'the update' : 'data, scalars and results';
    case 'stored':
      if (is.role.kind === 'parameter') return 'parameters';
      if (is.role.kind === 'state') return 'optimizer state';
      return is.role.kind === 'gradient' ? 'gradients of parameters' : 'data, scalars and results';
    case 'sum':
      return is.role.kind === 'gradient' ? 'gradients of parameters' : 'data, scalars and results';
  }
}
