/** A random training step with hints: what the laws of random models × random plans are tried on. */
import fc from 'fast-check';
import { anyHints, anyTraining, type HintsDraw, type TrainingDraw } from './training.js';

export const anyCase = (): fc.Arbitrary<readonly [TrainingDraw, HintsDraw]> => fc.tuple(anyTraining(), anyHints());
