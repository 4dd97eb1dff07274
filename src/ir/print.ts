/**
 * Printing graphs. `parse.ts` reads what this writes.
 *
 *   graph      ::= 'func @' name '(' [input (',' input)*] ') {' node* 'return' [output (',' output)*] '}'
 *   input      ::= value ':' (kind | role) type             kind ::= parameter | data | scalar | value
 *   node       ::= value (',' value)* '=' op '(' [operand (',' operand)*] ')' [attributes] ':' type (',' type)* [source]
 *   operand    ::= value ['<' factor* '>']                 the names this op uses, where they differ from the type's
 *   attributes ::= '{' key '=' attribute (',' key '=' attribute)* '}'
 *   attribute  ::= number | word | string | '[' [attribute (',' attribute)*] ']'
 *   source     ::= ';' path phase segment ['from' line]    '-' stands for an empty path or segment; left out where it says '- forward -'
 *   output     ::= (name | role) '=' value
 *   role       ::= 'gradient of' name ['@' chunk] | 'state' slot 'of' name | 'parameter of' name
 *   value      ::= '%' (number | name)                     numbers count the results of nodes
 *
 * One node a line, in order; `line` counts them from 0. Types are in the grammar of `type.ts`; names that are not plain words are
 * quoted as in JSON. A rule is not printed: it follows from op, operand types and names, and attributes.
 *
 *   func @mlp(
 *     %x: data bf16[batch=8, dim=4],
 *     %up: parameter bf16[dim=4, hidden=16]
 *   ) {
 *     %0 = einsum(%x, %up) {to=[batch, hidden]} : bf16[batch=8, hidden=16] ; mlp.up forward blocks.0
 *     %1 = gelu(%0) {exact=false} : bf16[batch=8, hidden=16] ; mlp forward blocks.0
 *     return y=%1
 *   }
 */
import type { Attributes, AttributeValue, Graph, InputKind, Node, ValueId } from './graph.js';
import { written, type Role } from './role.js';
import { namesOf, printType } from './type.js';

export function printGraph(graph: Graph): string {
  const names = valueNames(graph);
  const type = (id: ValueId) => printType(graph.values[id].type);
  const inputs = graph.inputs.map(
    ({ value, kind, role }) => `  ${names[value]}: ${printInput(kind, role)} ${type(value)}`,
  );
  const outputs = graph.outputs.map(({ role, value }) => `${printRole(role)}=${names[value]}`);
  return [
    `func @${word(graph.name)}(${inputs.length > 0 ? `\n${inputs.join(',\n')}\n` : ''}) {`,
    ...graph.nodes.map((node) => `  ${printNode(graph, node, names)}`),
    `  return${outputs.length > 0 ? ` ${outputs.join(', ')}` : ''}`,
    '}',
    '',
  ].join('\n');
}

/** A parameter says its name where its value's is another. */
const printInput = (kind: InputKind, role: Role): string =>
  role.kind === 'gradient' || role.kind === 'state' || (role.kind === 'parameter' && written(role.of) !== role.of)
    ? printRole(role)
    : kind;

function printRole(role: Role): string {
  switch (role.kind) {
    case 'parameter':
      return `parameter of ${word(role.of)}`;
    case 'state':
      return `state ${word(role.slot)} of ${word(role.of)}`;
    case 'gradient':
      return `gradient of ${word(role.of)}${role.chunk === null ? '' : ` @ ${role.chunk}`}`;
    default:
      return word(role.name);
  }
}

/** One line, without indentation. `names` is what {@link valueNames} gives. */
export function printNode(graph: Graph, node: Node, names: readonly string[] = valueNames(graph)): string {
  const results = node.outputs.map((id) => names[id]).join(', ');
  const operands = node.inputs.map((id, i) => {
    const used = node.rule.operands[i];
    const own = namesOf(graph.values[id].type);
    return used.join(' ') === own.join(' ') ? names[id] : `${names[id]}<${used.join(' ')}>`;
  });
  const types = node.outputs.map((id) => printType(graph.values[id].type)).join(', ');
  const call = `${results} = ${node.op}(${operands.join(', ')})`;
  return [call, printAttributes(node.attributes), ':', types, printSource(node)].filter(Boolean).join(' ');
}

/** Value id → `%x` for an input, `%0`, `%1`, … for the results of nodes. */
export function valueNames(graph: Graph): readonly string[] {
  const names: string[] = [];
  for (const { name, value } of graph.inputs) names[value] = `%${word(name)}`;
  let next = 0;
  for (const node of graph.nodes) for (const id of node.outputs) names[id] = `%${next++}`;
  return names;
}

/** `{eps=1e-5, to=[batch, hidden]}`; nothing where there are none. */
export function printAttributes(attributes: Attributes): string {
  const entries = Object.entries(attributes).map(([key, value]) => `${key}=${printAttribute(value)}`);
  return entries.length > 0 ? `{${entries.join(', ')}}` : '';
}

function printAttribute(value: AttributeValue): string {
  if (typeof value === 'string') return word(value);
  if (typeof value === 'number') return printNumber(value);
  if (typeof value === 'boolean') return String(value);
  return `[${value.map(printAttribute).join(', ')}]`;
}

/** The shorter of `0.00001` and `1e-5`. */
function printNumber(x: number): string {
  const [plain, exponential] = [Object.is(x, -0) ? '-0' : String(x), x.toExponential()];
  return Number.isFinite(x) && exponential.length < plain.length ? exponential : plain;
}

/** Nothing for a forward node that says no place. */
function printSource({ source, from }: Node): string {
  if (!source.path && !source.segment && source.phase === 'forward' && from === null) return '';
  const place = `; ${source.path ? word(source.path) : '-'} ${source.phase} ${source.segment ? word(source.segment) : '-'}`;
  return from === null ? place : `${place} from ${from}`;
}

/** Plain words stand as they are; anything else, and what could be read as another thing, is quoted. */
function word(text: string): string {
  const plain = /^[A-Za-z_][\w.*]*'*$/.test(text) && !/^(true|false|NaN|Infinity)$/.test(text);
  return plain ? text : JSON.stringify(text);
}
