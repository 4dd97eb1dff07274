import { ops } from '../ops/index.js';
import { castByGroup } from './cast_by_group.js';
import { graphExample } from './example.js';

export const castByGroupExample = graphExample({
  pass: 'cast_by_group',
  title: 'A tied embedding in bf16 on two groups',
  about:
    'Mixed precision casts the table once, on the first group, which looks tokens up in it. The last group multiplies by the cast, so all of ' +
    'it would travel in every microbatch. After the pass the last group casts its own copy of the table.',
  registry: ops,
  graph: `
    func @tied(
      %table: parameter f32[vocab=5, dim=4],
      %tokens: data i32[token=2]
    ) {
      %0 = cast(%table) {dtype=bf16} : bf16[vocab=5, dim=4] ; table forward embedding
      %1 = gather(%0, %tokens) {by=[vocab], to=[token, dim]} : bf16[token=2, dim=4] ; - forward embedding
      %2 = einsum(%1, %0) {to=[token, vocab]} : bf16[token=2, vocab=5] ; - forward head
      return logits=%2
    }`,
  run: (graph) => castByGroup(graph, ops, (segment) => (segment === 'head' ? 1 : 0)),
});
