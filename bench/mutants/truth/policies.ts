/** The schedules under which a mutant is tried: lanes and ranks held or starved, and what was changed held and rushed. */
import { adversaries, hold, rush, type Policy } from '../../../src/engine/reference/index.js';
import type { Program } from '../../../src/program/program.js';
import { instructionsOf } from '../../../src/program/unroll.js';

/** A place in the launch order of all ranks of a class that was changed. */
export interface Aim {
  readonly c: number;
  readonly t: number;
  readonly i: number;
}

export function policiesFor(program: Program, aims: readonly Aim[]): readonly Policy[] {
  const ranks = program.groups.flatMap(({ mesh, firstRank }) =>
    Array.from({ length: mesh.axes.reduce((n, a) => n * a.size, 1) }, (_, i) => firstRank + i),
  );
  const lanes = [
    ...new Set(program.classes.flatMap((c) => c.templates.flatMap((t) => instructionsOf(t).map((x) => x.lane)))),
  ];
  const all = adversaries(ranks, lanes, 3);
  // Lanes of single ranks are left to the aimed ones: there are many, and they rarely tell more.
  // To rush one rank is to hold the others.
  const standard = all.filter(({ name }) => !/rank \d+ \S|^rush rank/.test(name));
  const sends = lanes.some((lane) => lane.startsWith('send:'))
    ? (['rendezvous', 'eager'] as const)
    : (['rendezvous'] as const);
  const aimed = launchesOf(program, aims).flatMap((index) =>
    sends.flatMap((kind) => [hold({ index }, { sends: kind }), rush({ index }, { sends: kind })]),
  );
  return [...standard, ...aimed];
}

/** A few launches at and around what was changed, of the first and the last step that runs it. */
function launchesOf(program: Program, aims: readonly Aim[]): readonly number[] {
  const found = new Set<number>();
  for (const { c, t, i } of aims) {
    const { templates, schedule } = program.classes[c] ?? { templates: [], schedule: [] };
    const starts: number[] = [];
    let launch = 0;
    for (const step of schedule) {
      if (step.template === templates[t]?.name) starts.push(launch);
      const template = templates.find(({ name }) => name === step.template);
      launch += template ? instructionsOf(template).length : 0;
    }
    for (const start of new Set([starts[0], starts[starts.length - 1]])) {
      if (start !== undefined) for (const near of [i, i - 1, i + 1]) found.add(start + near);
    }
  }
  return [...found].filter((launch) => launch >= 0).slice(0, 6);
}
