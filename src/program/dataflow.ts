/**
 * The dataflow of a template: what it computes, whatever its order and addresses. Each definition is one line of text, by value name;
 * the hash of the sorted lines must equal that of the placed section it was made from. The verifier recomputes it from instructions
 * alone, so that no lowering can wire an operand wrongly unseen.
 */
import { hashText } from '../ir/hash.js';
import type { Attributes } from '../ir/graph.js';
import { printLayout, printSplit, type Layout } from '../ir/layout.js';
import type { Assignment, OpRule } from '../ir/rule.js';
import { printFactors, type TensorType } from '../ir/type.js';
import { printMove, type Move } from '../reshard/moves.js';
import type { Instruction, ProgramValue, RankClass, TileInstruction, ValueIndex } from './program.js';
import { operandsOf } from './unroll.js';

/** A value as lines name it: its whole type and its layout belong to what it is. */
export const valueText = (name: string, global: TensorType, layout: Layout): string =>
  `${name}: ${printFactors(global)} ${printLayout(layout)}`;

export function opLine(
  op: string,
  rule: OpRule,
  attributes: Attributes,
  assignment: Assignment,
  /** Operands and results by {@link valueText}. */
  inputs: readonly string[],
  outputs: readonly { readonly text: string; readonly accumulates: boolean }[],
): string {
  const splits = Object.entries(assignment.splits)
    .map(([factor, split]) => `${factor}:${printSplit(split)}`)
    .sort();
  const through = Object.entries(assignment.through)
    .map(([axis, set]) => `${axis}>${set}`)
    .sort();
  const results = outputs.map((o) => (o.accumulates ? `${o.text} +` : o.text)).join(', ');
  const operands = inputs.join(', ');
  return `${results} = ${op}${attributesText(attributes)}(${operands}) {${splits.join(' ')} ${through.join(' ')}} ${ruleText(rule)}`;
}

export function moveLine(stage: 'pack' | 'collective' | 'unpack', move: Move, input: string, output: string): string {
  return `${output} = ${stage} ${printMove(move)} (${input})`;
}

export function transferLine(
  direction: 'send' | 'receive',
  tag: string,
  value: string,
  peers: readonly (number | null)[],
): string {
  return `${direction} ${tag} (${value}) ${peers.join(' ')}`;
}

export function tileLine(
  { kind, edge, message }: Pick<TileInstruction, 'kind' | 'edge' | 'message'>,
  input: string,
  output: string,
): string {
  const { fromStage, toStage, from, to } = edge;
  return `${output} = ${kind} ${message} of ${fromStage}>${toStage} ${printLayout(from)} ${printLayout(to)} (${input})`;
}

/** What a bucket consists of. */
export const partsLine = (bucket: string, parts: readonly string[]): string => `${bucket} = [${parts.join(', ')}]`;

export const dataflowHash = (lines: readonly string[]): string => hashText([...lines].sort().join('\n'));

/** The dataflow of instructions, and of the views that they read: what the verifier compares with {@link Template.dataflow}. */
export function dataflowOf(body: readonly Instruction[], values: readonly ProgramValue[]): string {
  const texts = new Map<ValueIndex, string>();
  const textOf = (index: ValueIndex): string => {
    const known = texts.get(index);
    if (known !== undefined) return known;
    const { name, global, layout } = values[index];
    const text = valueText(name, global, layout);
    texts.set(index, text);
    return text;
  };
  const lines: string[] = [];
  for (const instruction of body) {
    switch (instruction.kind) {
      case 'kernel': {
        const { op, rule, attributes, assignment, inputs, outputs } = instruction;
        const results = outputs.map((o) => ({ text: textOf(o.value), accumulates: o.access === 'accumulate' }));
        const operands = inputs.map((o) => textOf(o.value));
        lines.push(opLine(op, rule, attributes, assignment, operands, results));
        break;
      }
      case 'pack':
      case 'unpack':
      case 'collective': {
        const { kind, move, input, output } = instruction;
        lines.push(moveLine(kind, move, textOf(input.value), textOf(output.value)));
        break;
      }
      case 'pack_tile':
      case 'unpack_tile':
        lines.push(tileLine(instruction, values[instruction.input.value].name, values[instruction.output.value].name));
        break;
      case 'send':
      case 'receive': {
        const { kind, tag, operand, peers } = instruction;
        lines.push(transferLine(kind, tag, values[operand.value].name, peers));
        break;
      }
      default:
        break;
    }
  }
  for (const view of viewsTouched(body, values)) {
    const { parts } = values[view];
    if (parts) {
      lines.push(partsLine(textOf(view), parts.map(textOf)));
      continue;
    }
    const { op, rule, attributes, assignment, inputs, outputs } = values[view].view!.made!;
    const results = outputs.map((output) => ({ text: textOf(output), accumulates: false }));
    lines.push(opLine(op, rule, attributes, assignment, inputs.map(textOf), results));
  }
  return dataflowHash(lines);
}

/** What a class takes from the step before and from the host, and what it gives them: one line a value. */
export const boundaryLine = (
  role: 'state' | 'scalar' | 'data' | 'after' | 'result',
  name: string,
  text: string,
): string => `${role} ${name} = ${text}`;

/** Which tensors a bucket of state holds, in which order. */
export const contentsText = (tensors: readonly { readonly name: string }[] | null): string =>
  tensors ? ` of ${tensors.map(({ name }) => name).join(', ')}` : '';

/** The boundary that a class's tables state: what the verifier compares with {@link RankClass.boundary}. */
export function boundaryOf({ values, before, after, inputs, results }: RankClass): string {
  const line = (role: Parameters<typeof boundaryLine>[0], name: string, index: ValueIndex) =>
    boundaryLine(role, name, valueText(values[index].name, values[index].global, values[index].layout));
  const updates = after.values.filter(({ at, holds }) => at !== holds);
  return dataflowHash([
    ...before.values.map(
      ({ at, holds }) => `${line('state', values[at].name, holds)}${contentsText(values[at].tensors)}`,
    ),
    ...inputs.map((index) => line('scalar', values[index].name, index)),
    ...values.flatMap(({ name, lifetime, view }, i) => (lifetime === 'data' && !view ? [line('data', name, i)] : [])),
    ...updates.map(({ at, holds }) => line('after', values[at].name, holds)),
    ...Object.entries(results).map(([name, index]) => line('result', name, index)),
  ]);
}

/** Views that instructions read, each once, with the views that those are made of; and the buckets that they touch. */
export function viewsTouched(body: readonly Instruction[], values: readonly ProgramValue[]): ReadonlySet<ValueIndex> {
  const found = new Set<ValueIndex>();
  const visit = (index: ValueIndex): void => {
    const { view, parts } = values[index];
    if (found.has(index) || (!view?.made && !parts)) return;
    found.add(index);
    view?.made?.inputs.forEach(visit);
  };
  for (const instruction of body) for (const { value } of operandsOf(instruction)) visit(value);
  return found;
}

const ruleTexts = new WeakMap<OpRule, string>();

function ruleText(rule: OpRule): string {
  const known = ruleTexts.get(rule);
  if (known !== undefined) return known;
  const factors = Object.entries(rule.factors).map(([name, { size, whole }]) => `${name}=${size}${whole ? '!' : ''}`);
  const lists = (list: readonly (readonly (string | number)[])[]) => list.map((one) => one.join(' ')).join(', ');
  const letters = Object.entries(rule.letters).map(([letter, names]) => `${letter}=${names.join(' ')}`);
  const shift = rule.shift ? ` shift ${rule.shift.factor} ${rule.shift.by}` : '';
  const text =
    `[${factors.join(' ')}] (${lists(rule.operands)}) -> (${lists(rule.results)}) by ${rule.reductions.join(' ')} ` +
    `linear (${lists(rule.linear)}) letters (${letters.join(', ')}) origins (${rule.origins.join(' ')})${shift}`;
  ruleTexts.set(rule, text);
  return text;
}

function attributesText(attributes: Attributes): string {
  const keys = Object.keys(attributes).sort();
  return keys.length === 0 ? '' : `{${keys.map((key) => `${key}=${String(attributes[key])}`).join(' ')}}`;
}
