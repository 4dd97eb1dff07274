export { verifyProgram, type VerifyOptions } from './verify.js';
