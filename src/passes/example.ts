/** Worked examples of passes: what a pass is given and what it makes of it, small enough to read. Their tests and pages are made of them. */
import type { Graph } from '../ir/graph.js';
import type { OpRegistry } from '../ir/op.js';
import { parseGraph } from '../ir/parse.js';
import { printGraph } from '../ir/print.js';

/** One worked example. It stands beside its pass, in `NAME.example.ts`, and in the list `program/pass_examples.ts`. */
export interface PassExample<Given = unknown, Made = unknown> {
  /** The pass, by its name in `architecture.js`. */
  readonly pass: string;
  /** What the example shows: a heading of the pass's page. */
  readonly title: string;
  /** What to look at, in a sentence or two. Markdown. */
  readonly about: string;
  given(): Given;
  run(given: Given): Made;
  /** What is given, as the page shows it. */
  before(given: Given): readonly Shown[];
  /** What is made, as the page shows it. */
  after(made: Made): string;
}

/** A block of a page: text under a heading, or a declaration of a source file as it stands there. */
export type Shown =
  | { readonly heading: string; readonly text: string }
  | { readonly heading: string; readonly file: string; readonly declaration: string };

/** The example of a pass from graph to graph. `graph` is in the grammar of `ir/print.ts`. */
export function graphExample({
  graph,
  registry,
  ...rest
}: Pick<PassExample<Graph, Graph>, 'pass' | 'title' | 'about' | 'run'> & {
  readonly graph: string | (() => Graph);
  readonly registry: OpRegistry;
}): PassExample<Graph, Graph> {
  return {
    ...rest,
    given: () => (typeof graph === 'string' ? parseGraph(graph, registry) : graph()),
    before: (given) => [{ heading: 'Before', text: printGraph(given) }],
    after: printGraph,
  };
}
