/** Where the bytes of an arena go when it is fullest, by what they hold: the kinds and what is free then add up to the arena. */
import { bytesOf } from '../../ir/type.js';
import { staysOf, type Stay } from '../../memory/stays.js';
import type { PlacedGraph, PlacedId } from '../../partition/placed.js';
import { baseOf } from '../../program/place.js';
import type { ProgramValue, RankClass, ValueIndex } from '../../program/program.js';
import { launchCount } from '../../program/unroll.js';

const heldKinds = [
  'parameters',
  'optimizer state',
  'gradients of parameters',
  'gathered or cast parameters',
  'activations and their gradients',
  'the update',
  'workspaces and messages',
  'data, scalars and results',
] as const;
type HeldKind = (typeof heldKinds)[number];

export const memoryKinds = [...heldKinds, 'free then'] as const;
export type MemoryKind = (typeof memoryKinds)[number];

export type MemoryByKind = Readonly<Record<MemoryKind, number>>;

/**
 * Of a class, at the launch at which most bytes are there. Two buffers that are there at one launch never share an address, so what is left of
 * the arena is free then: for alignment, between buffers, or held for what may run at the same time. `step`: the graph that the class runs
 * for each microbatch.
 */
export function memoryByKind(rankClass: RankClass, step: PlacedGraph): MemoryByKind {
  const held = heldBuffers(rankClass, step);
  const { launch } = fullest(held);
  const bytes = noBytes();
  for (const { kind, begins, ends, bytes: size } of held) if (begins <= launch && launch <= ends) bytes[kind] += size;
  const sum = Object.values(bytes).reduce((total, one) => total + one, 0);
  return { ...bytes, 'free then': rankClass.arenaBytes - sum };
}

/** The most that a class holds of each kind at once, each at a launch of its own. */
export function mostByKind(rankClass: RankClass, step: PlacedGraph): Readonly<Record<HeldKind, number>> {
  const held = heldBuffers(rankClass, step);
  const bytes = noBytes();
  for (const kind of heldKinds) bytes[kind] = fullest(held.filter((one) => one.kind === kind)).bytes;
  return bytes;
}

interface Held extends Pick<Stay, 'begins' | 'ends' | 'bytes'> {
  readonly kind: HeldKind;
}

const noBytes = () => Object.fromEntries(heldKinds.map((kind) => [kind, 0])) as Record<HeldKind, number>;

/** Every instance of every buffer of the step; state has its place where nothing touches it too. */
function heldBuffers(rankClass: RankClass, step: PlacedGraph): readonly Held[] {
  const { values } = rankClass;
  const known = graphKinds(step);
  const stays = [...staysOf(rankClass)];
  const touched = new Set(stays.map(({ base }) => base));
  const kept = new Set(rankClass.before.values.map(({ at }) => baseOf(values, at)));
  const untouched = [...kept].filter((base) => !touched.has(base));
  const last = Math.max(0, launchCount(rankClass) - 1);
  return [
    ...stays.map(({ base, begins, ends, bytes }) => ({ kind: kindOf(values, base, known), begins, ends, bytes })),
    ...untouched.map((base) => ({
      kind: kindOf(values, base, known),
      begins: 0,
      ends: last,
      bytes: bytesOf(values[base].type),
    })),
  ];
}

/** The first launch at which most bytes are there, and how many. */
function fullest(held: readonly Held[]): { readonly launch: number; readonly bytes: number } {
  const changes: number[] = [];
  for (const { begins, ends, bytes } of held) {
    changes[begins] = (changes[begins] ?? 0) + bytes;
    changes[ends + 1] = (changes[ends + 1] ?? 0) - bytes;
  }
  let [now, most, at] = [0, 0, 0];
  for (let launch = 0; launch < changes.length; launch++) {
    now += changes[launch] ?? 0;
    if (now > most) [most, at] = [now, launch];
  }
  return { launch: at, bytes: most };
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

function kindOf(values: readonly ProgramValue[], base: ValueIndex, { ofParameters, gradients }: GraphKinds): HeldKind {
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
