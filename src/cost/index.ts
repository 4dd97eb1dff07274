export { alphaBeta, latencySteps, oneMachine, wireBytes, type AlphaBeta, type Link } from './collectives.js';
export type { Communication, CommunicationCost, CommunicationKind } from './communication.js';
