/** Imported before anything else, so that no signal comes to a process that does not listen yet. */
import { signals } from './signals.js';

signals.listen();
