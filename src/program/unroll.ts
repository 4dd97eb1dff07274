/** The launch list of a class: its schedule with templates written out. Verifier, memory planner, engines and simulator read it. */
import type { Instruction, RankClass, ScheduleStep, Template, ValueIndex } from './program.js';

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
    for (const instruction of template.body) yield { instruction, template, step, stepIndex, index: index++ };
  }
}

/** The buffer a value lies in, following views. */
export function baseOf(values: RankClass['values'], value: ValueIndex): ValueIndex {
  let base = value;
  while (values[base].view) base = values[base].view!.of;
  return base;
}

/** Which instance of a buffer a launch means: one for each microbatch, or the only one. */
export function instanceKey(values: RankClass['values'], base: ValueIndex, microbatch: number): string {
  const { lifetime } = values[base];
  return lifetime === 'microbatch' || lifetime === 'data' ? `${base}@${microbatch}` : `${base}`;
}

/** The operands of an instruction, reads first. */
export function operandsOf(
  instruction: Instruction,
): readonly { value: ValueIndex; access: 'read' | 'write' | 'accumulate' }[] {
  switch (instruction.kind) {
    case 'kernel':
      return instruction.scratch === null
        ? [...instruction.inputs, ...instruction.outputs]
        : [...instruction.inputs, ...instruction.outputs, { value: instruction.scratch, access: 'write' }];
    case 'pack':
    case 'unpack':
    case 'pack_tile':
    case 'unpack_tile':
    case 'collective':
      return [instruction.input, instruction.output];
    case 'send':
    case 'receive':
      return [instruction.operand];
    default:
      return [];
  }
}
