/**
 * Wrong recomputation, and values that are kept for longer or less long than what they are made of: residuals made again otherwise, read
 * where they are gone, made of what is gone, or handed on to the next step.
 */
import { bytesOf } from '../../../src/ir/type.js';
import { baseOf } from '../../../src/program/place.js';
import type { KernelInstruction, Program, ProgramValue, RankClass, ValueIndex } from '../../../src/program/program.js';
import { instructionsOf } from '../../../src/program/unroll.js';
import {
  editClass,
  lookalikes,
  moveTo,
  reads,
  replaceAt,
  scoped,
  sitesOf,
  spansOf,
  withValue,
  writes,
  type Site,
} from '../edit.js';
import type { Mutant, Mutation, Mutations } from '../mutant.js';
import type { Random } from '../random.js';
import { changedAttributes } from './meaning.js';
import { drop, isKernel, mutant } from './site.js';

const isAgain = ({ name }: ProgramValue): boolean => name.includes(' again');
/** The name of what a value is made again of. */
const originalOf = ({ name }: ProgramValue): string => name.split(' again')[0];

export const again: Mutations = {
  other_attribute_again: onAgain((program, site, random) => {
    if (!isKernel(site.instruction)) return null;
    const kernel = site.instruction as KernelInstruction;
    const attributes = changedAttributes(kernel.attributes, random);
    return attributes && mutant(replaceAt(program, site, { ...kernel, attributes }), site);
  }),
  /** The random numbers of another dropout, or what else differs between two uses of an op. */
  other_stream_again: onAgain((program, site, random) => {
    if (!isKernel(site.instruction)) return null;
    const kernel = site.instruction as KernelInstruction;
    const text = (one: unknown) => JSON.stringify(one);
    const others = sitesOf(program, isKernel).flatMap(({ instruction }) => {
      const { op, rule, attributes } = instruction as KernelInstruction;
      const fits = op === kernel.op && text(rule) === text(kernel.rule) && text(attributes) !== text(kernel.attributes);
      return fits ? [attributes] : [];
    });
    if (others.length === 0) return null;
    return mutant(replaceAt(program, site, { ...kernel, attributes: random.pick(others) }), site);
  }),
  /** What an earlier microbatch made again is there still, or was. */
  not_made_again: onAgain((program, site) => drop(program, site)),
  /** The backward reads what the forward made, or what was made again for another. */
  read_another_instance: (original, random) => {
    const program = scoped(original, random);
    const found = sitesOf(program, () => true).flatMap((site) => {
      const { values } = program.classes[site.c];
      return reads(site.instruction).flatMap((value) => {
        if (!isAgain(values[value])) return [];
        const name = originalOf(values[value]);
        const others = values.flatMap((one, i) => (i !== value && originalOf(one) === name ? [i] : []));
        return others.length > 0 ? [{ site, value, others }] : [];
      });
    });
    if (found.length === 0) return null;
    const { site, value, others } = random.pick(found);
    return mutant(replaceAt(program, site, withValue(site.instruction, value, random.pick(others), 'read')), site);
  },
  /** Once more, or only, behind what writes over an operand. */
  again_behind_overwrite: onAgain((program, site, random) => {
    const rankClass = program.classes[site.c];
    const text = rankClass.templates[site.t];
    const body = instructionsOf(text);
    const step = rankClass.schedule.find(({ template }) => template === text.name);
    if (!step) return null;
    const operands = spansOf(rankClass, site.instruction, step).filter((span) => !span.writes);
    const over = body.findIndex(
      (x, i) =>
        i > site.i &&
        spansOf(rankClass, x, step).some(
          (span) => span.writes && operands.some((one) => span.start < one.end && one.start < span.end),
        ),
    );
    if (over < 0) return null;
    if (random.chance(0.5)) return mutant(moveTo(program, site, over + 1), site);
    return mutant(replaceAt(program, { ...site, i: over }, body[over], site.instruction), site);
  }),
  /** Made by the first microbatch, in a place of its own, and read by all; the program says so. */
  keep_for_the_step: (program, random) => {
    const c = random.int(program.classes.length);
    const { values } = program.classes[c];
    const made = values.flatMap(({ lifetime, view }, i) => (lifetime === 'microbatch' && !view ? [i] : []));
    const derived = made.filter((i) => isAgain(values[i]));
    if (made.length === 0) return null;
    const value = random.pick(derived.length > 0 && random.chance(0.5) ? derived : made);
    const kept = editClass(program, c, (rankClass) => keptForStep(rankClass, value));
    return kept.classes[c].templates.every(
      (template, t) => instructionsOf(template).length === instructionsOf(program.classes[c].templates[t]).length,
    )
      ? null
      : { program: kept, aims: [] };
  },
  /** A result, or state of the next step, is said to be what was made again; or it is said to be there between steps. */
  again_into_contract: (program, random) => {
    const c = random.int(program.classes.length);
    const { values, results, before, after } = program.classes[c];
    const made = values.flatMap((value, i) => (isAgain(value) ? [i] : []));
    if (made.length === 0) return null;
    const value = random.pick(made);
    const alike = lookalikes(program.classes[c], value);
    const names = Object.keys(results).filter((name) => alike.includes(results[name]));
    const states = after.values.filter(({ holds }) => alike.includes(holds));
    const edits: ((rankClass: RankClass) => RankClass)[] = [
      (rankClass) => ({
        ...rankClass,
        values: values.map((one, i) => (i === value ? { ...one, lifetime: 'persistent' } : one)),
        before: { values: [...before.values, { at: value, holds: value }] },
        after: { values: [...after.values, { at: value, holds: value }] },
      }),
    ];
    if (names.length > 0)
      edits.push((rankClass) => ({ ...rankClass, results: { ...results, [random.pick(names)]: value } }));
    if (states.length > 0) {
      const changed = random.pick(states);
      edits.push((rankClass) => ({
        ...rankClass,
        after: { values: after.values.map((one) => (one === changed ? { ...one, holds: value } : one)) },
      }));
    }
    return { program: editClass(program, c, random.pick(edits)), aims: [] };
  },
};

/** Applies a change to a random instruction that makes something again. */
function onAgain(change: (program: Program, site: Site, random: Random) => Mutant | null): Mutation {
  return (original, random) => {
    const program = scoped(original, random);
    const sites = sitesOf(program, () => true).filter(({ c, instruction }) =>
      writes(instruction).some((value) => isAgain(program.classes[c].values[value])),
    );
    return sites.length === 0 ? null : change(program, random.pick(sites), random);
  };
}

/** A buffer lasts for the step, where nothing else lies; only the first step of the schedule that writes it does. */
function keptForStep(rankClass: RankClass, buffer: ValueIndex): RankClass {
  const { values, templates, schedule, arenaBytes } = rankClass;
  const writesIt = (instruction: Parameters<typeof writes>[0]) =>
    writes(instruction).some((value) => baseOf(values, value) === buffer);
  const writers = new Set(templates.filter((one) => instructionsOf(one).some(writesIt)).map(({ name }) => name));
  const first = schedule.find(({ template }) => writers.has(template))?.template;
  return {
    ...rankClass,
    values: values.map((value, i) => (baseOf(values, i) === buffer ? { ...value, lifetime: 'step' } : value)),
    templates: templates.map((template) =>
      template.name === first || !writers.has(template.name)
        ? template
        : { ...template, body: instructionsOf(template).filter((instruction) => !writesIt(instruction)) },
    ),
    schedule: schedule.map((step) =>
      step.offsets[buffer] === undefined
        ? step
        : { ...step, offsets: { ...step.offsets, [buffer]: Math.ceil(arenaBytes / 64) * 64 } },
    ),
    arenaBytes: Math.ceil(arenaBytes / 64) * 64 + Math.ceil(bytesOf(values[buffer].type) / 64) * 64,
  };
}
