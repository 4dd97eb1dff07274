/** Whether the ranks have room on this machine: memory, cores, and something to do. */
import { idleRanksWarning } from '../partition/idle_ranks.js';
import { ranksOf } from '../plan/plan.js';
import { requireMemory, type MemoryRequest } from './memory/require_memory.js';
import { crowdedCores } from './threads.js';

/** Throws `train/memory-exceeded`; warns of what makes a run slow. */
export function requireRoom(request: MemoryRequest): void {
  const { config, plan, events, localRanks } = request;
  requireMemory(request);
  const crowded = crowdedCores(config, localRanks ?? ranksOf(plan));
  if (crowded !== null) events.emit({ kind: 'warning', code: 'train/crowded-cores', message: crowded });
  const idle = idleRanksWarning(plan);
  if (idle) events.emit({ kind: 'warning', code: idle.code, message: idle.message });
}
