/** The value table of a class under construction. */
import { localType, printLayout } from '../ir/layout.js';
import type { Coordinates, Mesh } from '../ir/mesh.js';
import { rowMajor } from '../ir/strides.js';
import { elementsOf, sizesOf, tensorType } from '../ir/type.js';
import type { DType } from '../ir/dtype.js';
import type { PlacedValue } from '../partition/placed.js';
import type { Extent } from './lane_events.js';
import type { ValueIdentity, Lifetime, ProgramValue, ValueIndex } from '../program/program.js';

export class ClassValues {
  readonly table: ProgramValue[] = [];
  private readonly mesh: Mesh;
  private readonly at: Coordinates;
  private readonly byName = new Map<string, ValueIndex>();

  constructor(mesh: Mesh, at: Coordinates) {
    this.mesh = mesh;
    this.at = at;
  }

  /** Adds a placed value under a name of its own. */
  add(
    placed: Pick<PlacedValue, 'type' | 'layout'>,
    name: string,
    is: ValueIdentity,
    lifetime: Lifetime,
    { view = null, tensors = null }: Partial<Pick<ProgramValue, 'view' | 'tensors'>> = {},
  ): ValueIndex {
    const { type: global, layout } = placed;
    const type = localType(this.mesh, global, layout, this.at);
    return this.push({ name, is, type, global, layout, lifetime, view, parts: null, tensors });
  }

  /** A contiguous staging buffer of a collective, or a kernel's workspace: it has no layout of its own. */
  addBuffer(name: string, dtype: DType, elements: number, lifetime: Lifetime): ValueIndex {
    const type = tensorType(dtype, { elements });
    const layout = { splits: {}, partial: {} };
    return this.push({
      name,
      is: { kind: 'buffer' },
      type,
      global: type,
      layout,
      lifetime,
      view: null,
      parts: null,
      tensors: null,
    });
  }

  find(name: string): ValueIndex | null {
    return this.byName.get(name) ?? null;
  }

  get(index: ValueIndex): ProgramValue {
    return this.table[index];
  }

  /** Makes existing values the contents of a bucket, one behind the other. */
  fill(bucket: ValueIndex, parts: readonly ValueIndex[]): void {
    const { view } = this.table[bucket];
    let offset = view?.offset ?? 0;
    for (const part of parts) {
      this.alias(part, view?.of ?? bucket, offset);
      offset += elementsOf(this.table[part].type);
    }
    this.table[bucket] = { ...this.table[bucket], parts };
  }

  /** Makes an existing value a contiguous view of a buffer, from its element `offset`. */
  alias(index: ValueIndex, of: ValueIndex, offset: number): void {
    const strides = rowMajor(sizesOf(this.table[index].type));
    this.table[index] = { ...this.table[index], view: { of, offset, strides, made: null } };
  }

  /** Makes an existing value the same bytes as another, which may be a view itself. */
  aliasOf(index: ValueIndex, other: ValueIndex): void {
    const { view } = this.table[other];
    this.alias(index, view?.of ?? other, view?.offset ?? 0);
  }

  /** The elements of the buffer between a value's first and its last. */
  extentOf(index: ValueIndex): Extent {
    const { type, view } = this.table[index];
    if (!view) return { buffer: index, from: 0, to: elementsOf(type) };
    const { of, offset, strides } = view;
    const last = sizesOf(type).reduce((at, size, i) => at + Math.max(0, size - 1) * strides[i], 0);
    return { buffer: of, from: offset, to: offset + last + 1 };
  }

  private push(value: ProgramValue): ValueIndex {
    if (this.byName.has(value.name))
      throw new Error(`two values are named '${value.name}' ${printLayout(value.layout)}`);
    this.byName.set(value.name, this.table.length);
    return this.table.push(value) - 1;
  }
}
