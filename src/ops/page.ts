/** An op's page in the documentation, made of what its file states: `docs/ops/NAME.md`. */
import { slotNames, type Nested, type OpDefinition, type OpRegistry } from '../ir/op.js';
import type { OpRule } from '../ir/rule.js';
import { textOfMark, type Signature, type SignatureSlot } from '../ir/signature.js';
import { printAttributes, printGraph } from '../ir/print.js';
import { decompositionOf } from './decompositions.js';
import { callOf } from './call.js';
import { exampleGraph } from './example.js';

/** Markdown. A backward op stands on the page of its forward op, so it has none: null. */
export function opPage(op: OpDefinition, registry: OpRegistry): string | null {
  const example = exampleGraph(op, registry);
  if (!example || !op.example) return null;
  const [node] = example.graph.nodes;
  const sections = [`# ${op.name}`, op.summary ?? '', '## Signature', code(signatureOf(op, node.rule))];
  if (op.attributes && Object.keys(op.attributes).length > 0) {
    sections.push(`Attributes and their defaults: \`${printAttributes(op.attributes)}\`.`);
  }
  sections.push(shardingOf(op, node.rule));
  sections.push('## Example', code(exampleText(op)));
  const { code: call, caller } = callOf(op);
  sections.push('## In a model', ...(caller ? [caller] : []), `\`\`\`ts\n${call}\n\`\`\``);
  if (op.decompose) {
    const operands = node.inputs.map((id) => example.graph.values[id].type);
    const meaning = decompositionOf(op, registry, operands, node.rule.operands, node.attributes);
    sections.push(
      '## Meaning',
      'Its decomposition, for the example: what kernels are checked against, and what runs where a plan splits a factor that the kernel needs whole.',
      code(printGraph(meaning).trimEnd()),
    );
  }
  const backward = registry.get(`${op.name}_backward`);
  if (backward?.signature) {
    const whole = backward.optional?.signature.operands.map(({ name }) => name) ?? backward.operands;
    const reads = whole.map((name) => `\`${name}\``).join(', ');
    sections.push(
      '## Backward',
      `\`${backward.name}\` keeps alive ${reads}.`,
      code(printSignature(backward.optional?.signature ?? backward.signature)),
    );
  } else {
    sections.push('## Backward', op.backward ? 'Composed of primitives.' : 'None.');
  }
  return `${sections.join('\n\n')}\n`;
}

/** `'x: float[t v!] -> y: float[t v]'`, as the op's file writes it: a mark where its letter stands first. */
export function printSignature({ operands, results, marks }: Signature): string {
  const unmarked = new Map(marks);
  const mark = (letter: string) => {
    const found = unmarked.get(letter);
    unmarked.delete(letter);
    return found ? letter + textOfMark[found] : letter;
  };
  const slot = ({ name, optional, class: kind, letters }: SignatureSlot) =>
    `${name}${optional ? '?' : ''}: ${kind}[${letters.map(mark).join(' ')}]`;
  const [left, right] = [operands.map(slot), results.map(slot)];
  return `${left.join(', ')} -> ${right.join(', ')}`;
}

/** Fused ops have a signature; a primitive's is the rule of its example. */
function signatureOf(op: OpDefinition, rule: OpRule): string {
  const signature = op.optional?.signature ?? op.signature;
  if (signature) return printSignature(signature);
  const list = (names: readonly string[]) =>
    `[${names.map((name) => (rule.factors[name].whole ? `${name}!` : name)).join(' ')}]`;
  return `${rule.operands.map(list).join(', ')} -> ${rule.results.map(list).join(', ')}`.trim();
}

/** What the rule says of splits and partial sums, in words. */
function shardingOf(op: OpDefinition, rule: OpRule): string {
  const names = Object.keys(rule.factors);
  const letterOf = (name: string) =>
    Object.entries(rule.letters).find(([, factors]) => factors.includes(name))?.[0] ?? name;
  const mark = (list: readonly string[]) => [...new Set(list.map(letterOf))].map((name) => `\`${name}\``).join(', ');
  const whole = names.filter((name) => rule.factors[name].whole);
  const cut = names.filter((name) => rule.factors[name].tied && rule.factors[rule.factors[name].tied.to].even);
  const pieces = [...cut, ...cut.map((name) => rule.factors[name].tied!.to)];
  const reduced = names.filter(
    (name) =>
      !rule.factors[name].whole && !pieces.includes(name) && rule.results.some((result) => !result.includes(name)),
  );
  const parts = rule.reductions[0] === 'sum' ? 'partial sums' : 'partial maxima';
  const lines = [
    whole.length === 0 ? 'Every factor may be split.' : `Needs ${mark(whole)} whole; other factors may be split.`,
    ...cut.map(
      (name) =>
        `${mark([rule.factors[name].tied!.to])} is split into equal parts or not at all, and ${mark([name])} as it is.`,
    ),
    reduced.length > 0 && `Where ${mark(reduced)} is split, results that lack it are ${parts}.`,
    rule.origins.length > 0 && `Its kernel is told where its block of ${mark(rule.origins)} starts.`,
    rule.linear.length > 0 &&
      `Partial sums pass through ${rule.linear.map((set) => operandSet(op, rule, set)).join(', or ')}.`,
  ];
  return lines.filter(Boolean).join(' ');
}

function operandSet(op: OpDefinition, rule: OpRule, set: readonly number[]): string {
  const slots = slotNames(op.operands, rule.operands.length);
  return set.map((i) => `\`${slots[i]}\``).join(' with ');
}

function exampleText(op: OpDefinition): string {
  const { given, gives, attributes, names } = op.example!;
  const line = ([name, value]: [string, Nested]) =>
    `${name}${names?.[name] ? `[${names[name]}]` : ''} = ${JSON.stringify(value, sixDigits)}`;
  const attributeLine = attributes && Object.keys(attributes).length > 0 ? [printAttributes(attributes)] : [];
  return [...Object.entries(given).map(line), ...attributeLine, '→', ...Object.entries(gives).map(line)].join('\n');
}

const sixDigits = (_key: string, value: unknown): unknown =>
  typeof value === 'number' ? Number(value.toPrecision(6)) : value;

const code = (text: string): string => `\`\`\`\n${text}\n\`\`\``;
