export { verifyProgram } from './verify.js';
export type { Specification } from './expected.js';
