/** Which nodes the passes on sequences know to be attention. */
import type { Node } from '../ir/graph.js';

export const isAttention = ({ op }: Pick<Node, 'op'>): boolean => op === 'attention' || op === 'attention_backward';
