/** Training steps of language models as scenarios. */
import type { GraphInput } from '../../src/ir/graph.js';
import { GraphBuilder } from '../../src/ir/builder.js';
import type { LanguageModel } from '../../src/nn/language_model.js';
import type { TraceShape } from '../../src/nn/trace.js';
import { ops } from '../../src/ops/index.js';
import { adamw, type AdamW } from '../../src/optim/index.js';
import { buildUpdate, type UpdateRecipe } from '../../src/optim/update.js';
import { traceTraining } from '../../src/passes/trace_training.js';
import { uniform, type ScenarioOptions } from './scenario.js';

/**
 * The step of a model with a vocabulary, in f64 unless the shape says otherwise; AdamW with clipping, and the sums of the loss and its terms,
 * as results.
 */
export function languageModel(
  model: LanguageModel,
  shape: TraceShape,
  optimizer: AdamW = adamw({ lr: 0.1 }),
): Pick<ScenarioOptions, 'step' | 'update' | 'element'> {
  const { graph } = traceTraining(model, { dtype: 'f64', ...shape });
  const sums = graph.outputs.filter(({ role, name }) => role.kind === 'result' && name !== 'tokens');
  const update: UpdateRecipe = (parameters) => {
    const builder = GraphBuilder.resume(ops, buildUpdate(parameters, optimizer));
    for (const { role, value } of sums) builder.output(role, builder.take(role, graph.values[value].type));
    return builder.build();
  };
  const { vocab } = model.options;
  const element = ({ name, kind }: GraphInput, index: number, microbatch: number): number | null => {
    if (name === 'document_starts') return documentAt(index, shape.sequence, microbatch).start;
    if (name === 'document_ends') return documentAt(index, shape.sequence, microbatch).end;
    return kind === 'data' ? Math.floor(vocab * uniform(`${name} ${index} ${microbatch}`)) : null;
  };
  return { step: graph, update, element };
}

/** Where the document of an element of [microbatch batch sequence] lies in its sequence: two tokens in five begin one. */
function documentAt(
  index: number,
  sequence: number,
  microbatch: number,
): { readonly start: number; readonly end: number } {
  const [row, position] = [Math.floor(index / sequence), index % sequence];
  const begins = (at: number) => at === 0 || at === sequence || uniform(`document ${row} ${at} ${microbatch}`) < 0.4;
  let [start, end] = [position, position + 1];
  while (!begins(start)) start--;
  while (!begins(end)) end++;
  return { start, end };
}
