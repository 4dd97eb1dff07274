/** `npm run gpu:pack`: makes `.gpu/`. */
import { makePack } from './pack.js';

makePack();
