import { defineOp } from '../ir/define_op.js';

/** The gate of SwiGLU (Shazeer 2020): silu(gate) · up, with silu(x) = x · σ(x). */
export const swiglu = defineOp({
  name: 'swiglu',
  summary: 'The gated unit silu(gate) · up.',
  signature: 'gate: float[t], up: float[t] -> y: float[t]',

  decompose({ gate, up }) {
    const x = gate.cast('f32');
    return { y: x.mul(x.sigmoid()).mul(up.cast('f32')) };
  },
  flops: ({ t }) => 3 * t,

  backward: {
    reads: ['gate', 'up', 'dY'],
    decompose({ gate, up, dY }) {
      const [x, d] = [gate.cast('f32'), dY.cast('f32')];
      const sigmoid = x.sigmoid();
      const silu = x.mul(sigmoid);
      // σ (1 + x (1 − σ)) = σ + silu (1 − σ)
      const slope = sigmoid.add(silu.mul(sigmoid.neg().add(1)));
      return { dGate: d.mul(up.cast('f32')).mul(slope), dUp: d.mul(silu) };
    },
    flops: ({ t }) => 9 * t,
  },

  example: { given: { gate: [Math.log(3)], up: [4] }, gives: { y: [3 * Math.log(3)] } },
});
