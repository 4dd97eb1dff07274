/** The warning that sequences lie in their own order, though a run's plan was told to store them in another. */
import type { TrainConfig } from '../config/schema.js';
import type { DiagnosticError } from '../ir/diagnostic.js';
import { sequencesInOrder, type OrderFault } from '../plan/diagnostics.js';

/** Null where nothing keeps them so, or nobody has asked: where nothing is said they are stored head-tail if that has a meaning. */
export function orderNotice(fault: OrderFault | null, { plan }: Pick<TrainConfig, 'plan'>): DiagnosticError | null {
  if (fault === null) return null;
  if (typeof plan === 'string')
    return sequencesInOrder({ fault, file: plan, field: 'context_order', method: 'context_method' });
  if (plan.context_parallel_load_balancer !== 'headtail') return null;
  const [field, method] = ['plan.context_parallel_load_balancer', 'plan.context_parallel_method'];
  return sequencesInOrder({ fault, file: 'the configuration', field, method });
}
