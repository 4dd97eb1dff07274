/** The form of elementwise primitives: results are aligned by name, and every factor splits. */
import type { AttributeKinds } from '../ir/attributes.js';
import { wrongDtype } from '../ir/diagnostics.js';
import { isFloat, promote, type DType } from '../ir/dtype.js';
import type { Attributes } from '../ir/graph.js';
import type { OpCall, OpDefinition, OpExample, ReferenceCall } from '../ir/op.js';
import { unionNames } from '../ir/tensor.js';
import { primitiveRule, resultType } from './bind.js';
import { elements, loopsOver, nest, splitInnermost } from './strides.js';

export interface Elementwise {
  readonly name: string;
  readonly summary: string;
  readonly operands: readonly string[];
  readonly attributeKinds?: AttributeKinds;
  /** What operands must be: floats, or any numbers. Absent: booleans too. */
  readonly wants?: 'float' | 'number';
  /** Throws where the attributes do not fit the operands. */
  check?(call: OpCall): void;
  /** One element of the result from one of each operand; attributes are bound first. */
  of(attributes: Attributes): (a: number, b: number, c: number) => number;
  /** Element type of the result: by default the widest of the operands. */
  dtype?(call: OpCall): DType;
  linear?(call: OpCall): readonly (readonly number[])[];
  /** Floating-point operations an element; a transcendental function counts as one. */
  readonly flops?: number;
  readonly backward?: OpDefinition['backward'];
  /** As in {@link OpDefinition}. */
  readonly copies?: OpDefinition['copies'];
  readonly rounds?: true;
  readonly addends?: true;
  readonly exact?: true;
  readonly commutes?: true;
  readonly adds?: true;
  readonly example: OpExample;
}

export function elementwise(op: Elementwise): OpDefinition {
  return {
    name: op.name,
    summary: op.summary,
    operands: op.operands,
    results: ['y'],
    attributeKinds: op.attributeKinds,
    bind(call) {
      call.operands.forEach(({ dtype }, i) => {
        if (op.wants && !(op.wants === 'float' ? isFloat(dtype) : dtype !== 'bool'))
          throw wrongDtype({ op: op.name, operand: op.operands[i], wants: op.wants, dtype });
      });
      op.check?.(call);
      const names = unionNames(...call.names.map((list) => ({ names: list })));
      const rule = primitiveRule(op.name, call, { results: [names], linear: op.linear?.(call) ?? [] });
      const dtype = op.dtype?.(call) ?? call.operands.map((type) => type.dtype).reduce(promote);
      return { rule, results: [resultType(call, rule, names, dtype)] };
    },
    backward: op.backward,
    copies: op.copies,
    rounds: op.rounds,
    addends: op.addends,
    exact: op.exact,
    commutes: op.commutes,
    adds: op.adds,
    flops: (rule, sizes) => (op.flops ?? 1) * elements(rule.results[0], sizes),
    reference: (call) => [mapElements(call, op.of(call.attributes))],
    example: op.example,
  };
}

/** Applies `of` to aligned elements of the inputs. */
function mapElements(call: ReferenceCall, of: (a: number, b: number, c: number) => number): Float64Array {
  const { rule, sizes, inputs } = call;
  const out = new Float64Array(elements(rule.results[0], sizes));
  const last = inputs.length;
  const loops = loopsOver(rule.results[0], sizes, [...rule.operands, rule.results[0]]);
  const { outer, inner } = splitInnermost(loops, last + 1);
  // Operands that are absent are read where the first one is, and ignored.
  const [second, third] = [last > 1 ? 1 : 0, last > 2 ? 2 : 0];
  const [a, b, c] = [inputs[0], inputs[second], inputs[third]];
  const { size, strides } = inner;
  const [sa, sb, sc, so] = [strides[0], strides[second], strides[third], strides[last]];
  nest(outer, last + 1, (offsets) => {
    let ia = offsets[0];
    let ib = offsets[second];
    let ic = offsets[third];
    let io = offsets[last];
    for (let i = 0; i < size; i++) {
      out[io] = of(a[ia], b[ib], c[ic]);
      ia += sa;
      ib += sb;
      ic += sc;
      io += so;
    }
  });
  return out;
}
