/** Whether a configuration asks for the data that a run was begun with, field by field. */
import { canonicalJson } from '../checkpoint/manifest.js';
import { textOf } from '../options/plain.js';
import type { TrainConfig } from '../config/schema.js';
import type { DataRecord, RunRecord } from './record.js';

/** What decides the text, its tokens and its split: not their order, how documents lie in a sequence, or the place of the cache. */
export function dataSource(data: TrainConfig['data']): DataRecord['source'] {
  const { seed: _seed, documents: _documents, cache: _cache, ...source } = data;
  return source;
}

/**
 * Fields that would cut or order the same text otherwise. `context`: tokens of a sequence, which the model says. A run cannot go on
 * under another context: its sequences are others, and which of their tokens were read in this epoch cannot be said.
 */
export function orderDifferences(
  { order }: RunRecord,
  { data, context }: { readonly data: TrainConfig['data']; readonly context: number },
): readonly string[] {
  return [...differ('data.seed', data.seed, order.seed), ...differ('model.context', context, order.context)];
}

/** Fields that ask for other text, another tokenizer, other limits or another split. */
export function sourceDifferences({ data: { source } }: RunRecord, data: TrainConfig['data']): readonly string[] {
  const { tokenizer, ...fields } = dataSource(data);
  return [
    ...Object.entries(fields).flatMap(([name, value]) =>
      differ(`data.${name}`, value, source[name as keyof typeof fields]),
    ),
    ...Object.entries(tokenizer).flatMap(([name, value]) =>
      differ(`data.tokenizer.${name}`, value, source.tokenizer[name as keyof typeof tokenizer]),
    ),
  ];
}

const differ = (field: string, now: unknown, before: unknown): readonly string[] =>
  canonicalJson(now) === canonicalJson(before)
    ? []
    : [`${field} is ${textOf(now)}, and the run's is ${textOf(before)}`];
