export { DiagnosticError } from './ir/diagnostic.js';
