/** Prints the launch order of a step, by stage and direction: what `--dump-ir=after:hoist` shows. */
import { printStep, type PlacedGraph } from '../partition/placed.js';
import { sectionOf, type Listed } from './sections.js';

export function printSections(step: PlacedGraph, update: PlacedGraph | null): string {
  return step.meshes
    .flatMap((_, stage) => [
      ...(['forward', 'backward'] as const).map((phase) => section(phase, stage, step, sectionOf(step, stage, phase))),
      ...(update ? [section('update', stage, update, sectionOf(update, stage, null))] : []),
    ])
    .join('\n\n');
}

function section(name: string, stage: number, graph: PlacedGraph, listed: readonly Listed[]): string {
  const lines = listed.map(({ step, part }) => `  ${part === 'run' ? '' : `${part} `}${printStep(graph, step)}`);
  return [`stage ${stage}, ${name}:`, ...lines].join('\n');
}
