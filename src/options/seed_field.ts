/** Seeds: what every generator of random numbers here takes. */
import { z } from 'zod';

export const seedField = z
  .int()
  .nonnegative()
  .max(2 ** 32 - 1);
