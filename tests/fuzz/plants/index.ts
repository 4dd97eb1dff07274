import { kernelPlants } from './kernels.js';
import { loweringPlants } from './lowering.js';
import type { Plants } from './plant.js';
import { publishedPlants } from './published.js';
import { rulePlants } from './rules.js';

/** All faults that can be planted, by name: published ones first. */
export const plants: Plants = { ...publishedPlants, ...rulePlants, ...loweringPlants, ...kernelPlants };
