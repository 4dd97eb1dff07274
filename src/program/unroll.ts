/**
 * The launch list of a class: its schedule with templates, and their loops, written out. Verifier, memory planner, engines and simulator
 * read it.
 */
import { iterationsOf } from './loop.js';
import type {
  EventInstruction,
  Instruction,
  Program,
  RankClass,
  ScheduleStep,
  Template,
  ValueIndex,
} from './program.js';

export interface Launch {
  readonly instruction: Instruction;
  readonly template: Template;
  readonly step: ScheduleStep;
  /** Position of the schedule step, and of the launch in the whole list. */
  readonly stepIndex: number;
  readonly index: number;
}

/** Launches in launch order, streamed. */
export function* unroll(rankClass: Pick<RankClass, 'templates' | 'schedule'>): Generator<Launch> {
  const templates = new Map(rankClass.templates.map((template) => [template.name, template]));
  let index = 0;
  for (const [stepIndex, step] of rankClass.schedule.entries()) {
    const template = templates.get(step.template);
    if (!template) throw new Error(`schedule names the template '${step.template}', which the class lacks`);
    for (const instruction of instructionsOf(template))
      yield { instruction, template, step, stepIndex, index: index++ };
  }
}

const written = new WeakMap<Template, readonly Instruction[]>();

/** The instructions of a template, loops written out: the same objects whenever it is asked. */
export function instructionsOf(template: Template): readonly Instruction[] {
  const known = written.get(template);
  if (known) return known;
  const instructions = template.body.flatMap((entry) => (entry.kind === 'for' ? iterationsOf(entry) : [entry]));
  written.set(template, instructions);
  return instructions;
}

/** The program without loops. */
export function unfold<P extends Program>(program: P): P {
  const flat = (template: Template): Template => ({ ...template, body: instructionsOf(template) });
  const classes = program.classes.map((one) => ({ ...one, templates: one.templates.map(flat) }));
  return { ...program, classes };
}

/** Instructions of a class's step, over all microbatches. */
export function launchCount({ templates, schedule }: Pick<RankClass, 'templates' | 'schedule'>): number {
  const counts = new Map(templates.map((template) => [template.name, instructionsOf(template).length]));
  return schedule.reduce((sum, step) => sum + counts.get(step.template)!, 0);
}

/** True where each microbatch has an instance of the buffer. */
export const isPerMicrobatch = (values: RankClass['values'], base: ValueIndex): boolean =>
  values[base].lifetime === 'microbatch' || values[base].lifetime === 'data';

/** Which instance of a buffer a launch means: one for each microbatch, or the only one. */
export function instanceKey(values: RankClass['values'], base: ValueIndex, microbatch: number): string {
  return isPerMicrobatch(values, base) ? `${base}@${microbatch}` : `${base}`;
}

/** The event that a signal or a wait means in a step of the schedule. */
export const eventOf = ({ event, each }: EventInstruction, { microbatch }: Pick<ScheduleStep, 'microbatch'>): string =>
  `${each ? microbatch : 'step'} ${event}`;
