import { parseGraph } from '../ir/parse.js';
import { ops } from '../ops/index.js';
import { parsePlan, placeStep } from '../partition/example.js';
import type { PassExample } from '../passes/example.js';
import { fold } from './fold.js';
import { lowerAll, type ExampleProgram } from './lower.example.js';
import { printProgram } from '../program/print.js';
import type { Program } from '../program/program.js';
import { instructionsOf, unfold } from '../program/unroll.js';

export const foldExample: PassExample<ExampleProgram, ExampleProgram> = {
  pass: 'fold',
  title: 'Four equal layers',
  about:
    'A layer is two lines, and each layer is the one before it with other numbers: they are written once, in a loop. `*` is the number ' +
    'of the layer; `{6+2}` is 6 in the first iteration and 2 more in each that follows. What reads `x` and what writes the result differ ' +
    'in more than numbers, so they stay beside the loop.',
  given: () =>
    unfold(
      lowerAll({ step: placeStep(parsePlan('mesh {}'), parseGraph(layers(4), ops)), update: null, slots: oneForward }),
    ),
  run: (program) => ({ ...program, classes: program.classes.map(foldTemplates) }),
  before: (program) => [{ heading: 'Before', text: printProgram(program) }],
  after: printProgram,
};

const oneForward = [{ chunk: 0, direction: 'forward', microbatch: 0 }] as const;

const foldTemplates = (rankClass: Program['classes'][number]) => ({
  ...rankClass,
  templates: rankClass.templates.map((template) => ({ ...template, body: fold(instructionsOf(template)) })),
});

/** y = tanh(gain · tanh(gain · …)) */
function layers(count: number): string {
  const numbers = Array.from({ length: count }, (_, i) => i);
  const type = 'f32[row=2, dim=4]';
  return [
    'func @layers(',
    ...numbers.map((i) => `%blocks.${i}.gain: parameter f32[dim=4],`),
    `%x: data ${type}) {`,
    ...numbers.flatMap((i) => [
      `%${2 * i} = einsum(%${i === 0 ? 'x' : 2 * i - 1}, %blocks.${i}.gain) {to=[row, dim]} : ${type} ; blocks.${i} forward model`,
      `%${2 * i + 1} = tanh(%${2 * i}) : ${type} ; blocks.${i} forward model`,
    ]),
    `return y=%${2 * count - 1}`,
    '}',
  ].join('\n');
}
