/** What reshards refuse. */
import { defineDiagnostic, nearest } from '../ir/diagnostic.js';
import { printLayout, type Layout } from '../ir/layout.js';
import { printMesh, type Mesh } from '../ir/mesh.js';
import { printType, type TensorType } from '../ir/type.js';

export const illegalLayout = defineDiagnostic(
  'reshard/illegal-layout',
  (p: { mesh: Mesh; type: TensorType; layout: Layout; fault: string }) => ({
    what: `${printLayout(p.layout)} is no layout of ${printType(p.type)} on ${printMesh(p.mesh)}: ${p.fault}`,
    why: 'an axis has one role in a layout, and bounds cut a factor into one part a rank',
    fix: 'name each axis once, with one reduction for all partial axes and parts + 1 bounds from 0 to the size of the factor',
  }),
);

export const noPath = defineDiagnostic(
  'reshard/no-path',
  (p: { mesh: Mesh; type: TensorType; from: Layout; to: Layout; at?: string }) => ({
    what: `no affordable reshard leads from ${printLayout(p.from)} to ${printLayout(p.to)} for ${printType(p.type)}`,
    why: 'between legal layouts a path always exists, so the cost function forbids (prices as infinite) a collective that all need',
    where: [{ at: p.at ?? `mesh ${printMesh(p.mesh)}` }],
    fix: 'allow all_reduce and all_gather over the axes that differ: with the local moves they suffice',
  }),
);

/** `legal`: the moves that lead on from there; none where the path is at its end. */
export const noSuchMove = defineDiagnostic(
  'reshard/no-such-move',
  (p: { type: TensorType; field: string; move: string; legal: readonly string[] }) => {
    const near = nearest(p.move, p.legal);
    return {
      what: `no move '${p.move}' leads on from there for ${printType(p.type)}`,
      where: [{ at: 'plan', note: `field ${p.field}` }],
      fix: near
        ? `write '${near}'`
        : p.legal.length > 0
          ? `write one of ${p.legal.map((move) => `'${move}'`).join(', ')}`
          : 'remove it: the path is there',
    };
  },
);

export const pathEndsElsewhere = defineDiagnostic(
  'reshard/path-ends-elsewhere',
  (p: { type: TensorType; field: string; wanted: string }) => ({
    what: `the path of ${printType(p.type)} does not end in ${p.wanted}`,
    where: [{ at: 'plan', note: `field ${p.field}` }],
    fix: 'add the moves that lead there, or remove the path to have one chosen',
  }),
);

export const wrongBlock = defineDiagnostic(
  'reshard/wrong-block',
  (p: { type: TensorType; layout: Layout; rank: number; elements: number; expected: number }) => ({
    what: `rank ${p.rank} holds ${p.elements} elements of ${printType(p.type)} ${printLayout(p.layout)}, not ${p.expected}`,
    where: [{ at: `rank ${p.rank}` }],
    fix: 'report this: an op or a reshard made a block of another size than its layout says',
  }),
);

export const replicasDiffer = defineDiagnostic(
  'reshard/replicas-differ',
  (p: {
    type: TensorType;
    layout: Layout;
    element: string;
    ranks: readonly [number, number];
    values: readonly [number, number];
  }) => ({
    what: `replicas of ${printType(p.type)} ${printLayout(p.layout)} differ at ${p.element}: ${p.values[0]} and ${p.values[1]}`,
    why: 'ranks that hold the same block must hold the same bits',
    where: p.ranks.map((rank) => ({ at: `rank ${rank}` })),
    fix: 'report this: an op or a reshard treats equal ranks unequally',
  }),
);

export const partialAcrossMeshes = defineDiagnostic(
  'reshard/partial-across-meshes',
  (p: { type: TensorType; from: Layout; to: Layout }) => ({
    what: `tiles of ${printType(p.type)} cannot go from ${printLayout(p.from)} to ${printLayout(p.to)} while partial`,
    why: 'tiles are copied between meshes, never summed on the way',
    fix: 'reduce at the source first and mask at the destination afterwards, as crossMeshPlan does',
  }),
);
