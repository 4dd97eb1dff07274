/** Measures a GPU's matrix-product peak and prints it: in a process of its own, so that the launcher holds no memory of the GPU. */
import { matmulPeak, type PeakOptions } from './matmul_peak.js';

console.log(await matmulPeak(JSON.parse(process.argv[2]) as PeakOptions));
