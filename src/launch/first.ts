/**
 * Imported before anything else, so that no signal comes to a process that does not listen yet, and nothing is written to an output that
 * may be gone.
 */
import { outliveOutput } from './output.js';
import { signals } from './signals.js';

signals.listen();
outliveOutput();
