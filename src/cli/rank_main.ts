/** The program of one rank: started by the launcher, never by hand. */
import '../launch/first.js';
import { rankMain } from '../launch/rank.js';
import { surroundings } from './surroundings.js';

await rankMain(surroundings);
