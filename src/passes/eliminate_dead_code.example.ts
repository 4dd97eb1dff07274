import { ops } from '../ops/index.js';
import { autodiffExample } from './autodiff.example.js';
import { eliminateDeadCode } from './eliminate_dead_code.js';
import { graphExample } from './example.js';

export const eliminateDeadCodeExample = graphExample({
  pass: 'eliminate_dead_code',
  title: 'A gradient that nobody asked for',
  about:
    'What autodiff left: the gradient of `%x`, the last line but one, reaches no output. Its line goes, those after it are counted anew, ' +
    'and nothing else changes.',
  registry: ops,
  graph: () => autodiffExample.run(autodiffExample.given()),
  run: eliminateDeadCode,
});
