/** Prints the launch order of a step, by group and direction: what `--dump-ir=after:hoist` shows. */
import { printStep, type PlacedGraph } from '../partition/placed.js';
import { sectionOf, type Listed } from './sections.js';

export function printSections(step: PlacedGraph, update: PlacedGraph | null): string {
  return step.meshes
    .flatMap((_, group) => [
      ...(['forward', 'backward'] as const).map((phase) => section(phase, group, step, sectionOf(step, group, phase))),
      ...(update ? [section('update', group, update, sectionOf(update, group, null))] : []),
    ])
    .join('\n\n');
}

function section(name: string, group: number, graph: PlacedGraph, listed: readonly Listed[]): string {
  const lines = listed.map(({ step, part }) => `  ${part === 'run' ? '' : `${part} `}${printStep(graph, step)}`);
  return [`group ${group}, ${name}:`, ...lines].join('\n');
}
