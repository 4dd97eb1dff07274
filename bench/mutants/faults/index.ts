/** Mutations that may break a program: what a wrong pass, a wrong address or a wrong edit would do. */
import type { Mutations } from '../mutant.js';
import { again } from './again.js';
import { axes } from './axes.js';
import { boundary } from './boundary.js';
import { buckets } from './buckets.js';
import { fields } from './fields.js';
import { kernels } from './kernels.js';
import { loops } from './loops.js';
import { meaning } from './meaning.js';
import { memory } from './memory.js';
import { meshes } from './meshes.js';
import { messages } from './messages.js';
import { moves } from './moves.js';
import { operands } from './operands.js';
import { order } from './order.js';
import { packed } from './packed.js';
import { reported } from './reported.js';
import { restated } from './restated.js';
import { schedule } from './schedule.js';
import { views } from './views.js';

export const faults: Mutations = {
  ...order,
  ...memory,
  ...moves,
  ...messages,
  ...operands,
  ...meaning,
  ...views,
  ...boundary,
  ...buckets,
  ...packed,
  ...schedule,
  ...loops,
  ...meshes,
  ...kernels,
  ...fields,
  ...restated,
  ...reported,
  ...again,
  ...axes,
};
