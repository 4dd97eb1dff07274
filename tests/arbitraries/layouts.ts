/**
 * Random meshes, types and legal layouts for properties. Everything is drawn as small numbers that shrink towards one axis, one factor,
 * replicated and even; layouts are drawn apart from the mesh and type that they are then fitted to, so shrinking goes all the way.
 */
import fc from 'fast-check';
import { canonicalLayout, layoutFault, type Layout, type Reduction, type Split } from '../../src/ir/layout.js';
import { axesSize, mesh, type AxisName, type Mesh } from '../../src/ir/mesh.js';
import { factorsOf, tensorType, type FactorName, type TensorType } from '../../src/ir/type.js';

export interface MeshOptions {
  readonly maxAxes?: number;
  readonly maxSize?: number;
}

/** One to three axes of 2 to 4 ranks, named a, b, c. */
export const anyMesh = ({ maxAxes = 3, maxSize = 4 }: MeshOptions = {}): fc.Arbitrary<Mesh> =>
  fc
    .array(fc.integer({ min: 2, max: maxSize }), { minLength: 1, maxLength: maxAxes })
    .map((sizes) => mesh(Object.fromEntries(sizes.map((size, i) => ['abcdef'[i], size]))));

export interface TypeOptions {
  readonly maxFactors?: number;
  readonly minSize?: number;
  readonly maxSize?: number;
}

/** f64 values of one to four factors of 0 to 7 elements, named p, q, r, s. */
export const anyType = ({ maxFactors = 4, minSize = 0, maxSize = 7 }: TypeOptions = {}): fc.Arbitrary<TensorType> =>
  fc
    .array(fc.integer({ min: minSize, max: maxSize }), { minLength: 1, maxLength: maxFactors })
    .map((sizes) => tensorType('f64', Object.fromEntries(sizes.map((size, i) => ['pqrstu'[i], size]))));

/** A layout before it is fitted to a mesh and a type. */
export interface LayoutDraw {
  /** One a mesh axis: 0 is replicated; then the factors; then partial. */
  readonly roles: readonly number[];
  /** Rotates the order of the axes within every split. */
  readonly turn: number;
  /** One a factor: 0 is even, anything else seeds its bounds. */
  readonly uneven: readonly number[];
  /** One a factor: by how many places its split is turned. */
  readonly hops: readonly number[];
  readonly reduction: Reduction;
}

export const anyLayoutDraw = (): fc.Arbitrary<LayoutDraw> =>
  fc.record({
    roles: fc.array(fc.nat(11), { minLength: 6, maxLength: 6 }),
    turn: fc.nat(2),
    uneven: fc.array(fc.oneof(fc.constant(0), fc.nat(1000)), { minLength: 6, maxLength: 6 }),
    hops: fc.array(fc.oneof(fc.constant(0), fc.nat(7)), { minLength: 6, maxLength: 6 }),
    reduction: fc.constantFrom<Reduction>('sum', 'max'),
  });

/** A legal layout of `type` on `m`, of any kind: uneven bounds, empty blocks, several axes a factor, several partial axes. */
export const anyLayout = (m: Mesh, type: TensorType): fc.Arbitrary<Layout> =>
  anyLayoutDraw().map((draw) => fitLayout(m, type, draw));

/** Two layouts of a value on one mesh: where it is, and where it is to lead. */
export interface AnyReshard {
  readonly mesh: Mesh;
  readonly type: TensorType;
  readonly from: Layout;
  readonly to: Layout;
}

export const anyReshard = (): fc.Arbitrary<AnyReshard> =>
  fc
    .record({ mesh: anyMesh(), type: anyType(), from: anyLayoutDraw(), to: anyLayoutDraw() })
    .map(({ mesh: m, type, from, to }) => ({
      mesh: m,
      type,
      from: fitLayout(m, type, from),
      to: fitLayout(m, type, to),
    }));

/** The layout that a draw means on this mesh for this type. */
export function fitLayout(m: Mesh, type: TensorType, draw: LayoutDraw): Layout {
  const factors = factorsOf(type);
  const axesOf = new Map<FactorName, AxisName[]>();
  const partial: Record<AxisName, Reduction> = {};
  m.axes.forEach(({ name }, i) => {
    const role = draw.roles[i] % (factors.length + 2);
    if (role === factors.length + 1) partial[name] = draw.reduction;
    else if (role > 0) axesOf.set(factors[role - 1].name, [...(axesOf.get(factors[role - 1].name) ?? []), name]);
  });
  const splits: Record<FactorName, Split> = {};
  factors.forEach(({ name, size }, i) => {
    const given = axesOf.get(name);
    if (!given) return;
    const turn = draw.turn % given.length;
    const axes = [...given.slice(turn), ...given.slice(0, turn)];
    const bounds = draw.uneven[i] === 0 ? {} : { bounds: someBounds(size, axesSize(m, axes), draw.uneven[i]) };
    splits[name] = { axes, ...bounds, turn: draw.hops[i] };
  });
  const layout = canonicalLayout(m, type, { splits, partial });
  const fault = layoutFault(m, type, layout);
  if (fault) throw new Error(`the arbitrary drew an illegal layout: ${fault}`);
  return layout;
}

/** Cuts that depend on the seed alone; empty parts are common. */
export function someBounds(size: number, parts: number, seed: number): readonly number[] {
  let state = seed;
  const cuts = Array.from({ length: parts - 1 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % (size + 1);
  });
  return [0, ...cuts.sort((x, y) => x - y), size];
}
