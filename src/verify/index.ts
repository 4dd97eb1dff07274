export { faultsOf, verifyClasses, verifyProgram, type ClassProof } from './verify.js';
export type { ClassDigest } from './digest.js';
export type { Specification } from './expected.js';
export { faultText, jsonOf, parseFault, parseProof, proofText } from './proof_text.js';
